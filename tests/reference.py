"""The convolution from PyTorch's definition as plain nested loops; no backflip code is used."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]


def conv2d(
    image: NDArray[Any],
    weight: NDArray[Any],
    bias: NDArray[Any] | None = None,
    stride: Pair = (1, 1),
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> NDArray[Any]:
    """torch.nn.functional.conv2d on (N, C, H, W); padding ((top, bottom), (left, right)) zeros."""
    batch, channels, height, width = image.shape
    filters, per_group, tall, wide = weight.shape
    assert channels == per_group * groups and filters % groups == 0
    rows = (height + sum(padding[0]) - dilation[0] * (tall - 1) - 1) // stride[0] + 1
    columns = (width + sum(padding[1]) - dilation[1] * (wide - 1) - 1) // stride[1] + 1
    output = np.zeros((batch, filters, rows, columns), image.dtype)
    for n, k, y, x in product(range(batch), range(filters), range(rows), range(columns)):
        total = 0 if bias is None else bias[k]
        group = k // (filters // groups)
        for c in range(per_group):
            for a in range(tall):
                for b in range(wide):
                    row = y * stride[0] + a * dilation[0] - padding[0][0]
                    column = x * stride[1] + b * dilation[1] - padding[1][0]
                    if 0 <= row < height and 0 <= column < width:
                        total = total + weight[k, c, a, b] * image[n, group * per_group + c, row, column]
        output[n, k, y, x] = total
    return output


def gradient(name: str, grad_output: NDArray[Any], operands: dict[str, Any], **numbers: Any) -> NDArray[Any]:
    """d sum(grad_output * conv2d)/d operand by a unit step in each entry (conv2d is affine in each)."""

    def loss(changed: NDArray[Any]) -> int:
        now = {**operands, name: changed}
        return int((grad_output * conv2d(now["input"], now["weight"], now.get("bias"), **numbers)).sum())

    base = operands[name]
    found = np.zeros(base.shape, np.int64)
    start = loss(base)
    for where in product(*map(range, base.shape)):
        stepped = base.copy()
        stepped[where] += 1
        found[where] = loss(stepped) - start
    return found
