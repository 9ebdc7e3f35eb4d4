"""Owns measurements of kernels against others; run one with `python -m benchmarks.<name>`."""
