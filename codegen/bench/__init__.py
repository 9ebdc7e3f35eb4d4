"""Measurements of kernels against other implementations: `backflip bench` and `benchmarks/`."""
