"""Runs a network whose key-value cells lie in pages: batches, page tables, sampling, constraints, prompts.

What computes the layers is a `Network`: ExLlamaV2 on a GPU (`engine.backends.exllamav2`), or plain PyTorch in
float32 (`reference_network`), which is the measure for the other and runs everywhere.
"""
