"""`make gpu-check`: everything that only a CUDA device can show, in one command of at most eight minutes."""
