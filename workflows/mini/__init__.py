"""The embedded model: a committed byte-level BPE vocabulary, and a builder of small Llama-shaped GGUFs."""
