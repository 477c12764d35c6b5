"""Training of the embedded model: corpus, tokenizer, network, trainer, export and evaluation.

Nothing here is imported when haloctl runs; PyTorch is needed by `network`, `trainer` and `export` only.
"""
