"""Owns two bugs of compiled text as NumPy functions, such as validation of kernels refuses.

One element of the border is not written, so that it holds what the scratch held before; a vector's gap lane
leaks into the sum of one output. Each changes a few outputs of many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from derive.museum.functions import Written
from derive.museum.functions_conv import conv_forward
from derive.museum.functions_shared import Array, Function, borders, planes

LAYER = "Conv2d(6, 8, 3, padding=1)"
CASES: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "kernel-pad-element": (LAYER, (32, 6, 14, 14)),
    "kernel-gap-lane": (LAYER, (32, 6, 14, 14)),
}
NAMES = {
    "kernel-pad-element": "one element of one channel's border is not zero",
    "kernel-gap-lane": "a gap lane leaks into the sum of one output",
}


def packed_forward(bug: str = "") -> Function:
    """A convolution of stride 1 with the first image's values left in its scratch."""

    def packed_forward(x: Array, w: Array, b: Array, stride: Any, pad: Any, dilation: Any) -> Array:
        if bug == "pad":
            padded = np.pad(x, planes(*borders(pad)))
            padded[:, 0, 0, 1] = x[0, 0, 0, 0]
            return np.asarray(conv_forward()(padded, w, b, 1, 0, 1))
        out = np.array(conv_forward()(x, w, b, 1, pad, 1))
        if bug == "gap":
            out[:, 0, -1, -1] += x[0, 0, -1, -1] * w[0, 0, 0, 0]
        return out

    return packed_forward


PLANTED: Mapping[str, Written] = {
    "kernel-pad-element": Written(packed_forward, "pad", "output", *CASES["kernel-pad-element"]),
    "kernel-gap-lane": Written(packed_forward, "gap", "output", *CASES["kernel-gap-lane"]),
}
