"""The measurement of all kernels against all peers: `python -m benchmarks`."""
