"""A small LeNet that learns handwritten digits by generated kernels; `python -m examples.digits` runs it."""
