"""Layers in the style of course assignments: forward(A), backward(dLdZ), gradients in attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_verify_museum import ranges, zeros

from derive.spelling import parse_layer
from derive.verification import verify


class MeanPool2d:
    """The style of course assignments: arguments by their names, state in attributes, both passes."""

    def __init__(self, kernel: int, stride: int) -> None:
        self.kernel, self.stride = kernel, stride

    def forward(self, A: Any) -> Any:
        self.A = A
        lengths = [(n - self.kernel) // self.stride + 1 for n in A.shape[2:]]
        Z = zeros((*A.shape[:2], *lengths))
        for n, c, y, x in ranges(Z.shape):
            Z[n, c, y, x] = self.window(A, n, c, y, x).sum() / self.kernel**2
        return Z

    def window(self, array: Any, n: int, c: int, y: int, x: int) -> Any:
        s, k = self.stride, self.kernel
        return array[n, c, y * s : y * s + k, x * s : x * s + k]

    def backward(self, dLdZ: Any) -> Any:
        dLdA = zeros(self.A.shape)
        for n, c, y, x in ranges(dLdZ.shape):
            window = self.window(dLdA, n, c, y, x)
            window += dLdZ[n, c, y, x] / self.kernel**2
        return dLdA


class Wrong(MeanPool2d):
    """The output is a sum; its gradient is that of the mean."""

    def forward(self, A: Any) -> Any:
        return super().forward(A) * self.kernel**2


class Upsample1d:
    def __init__(self, upsampling_factor: int) -> None:
        self.upsampling_factor = upsampling_factor

    def forward(self, A: Any) -> Any:
        Z = np.zeros((*A.shape[:2], self.upsampling_factor * (A.shape[2] - 1) + 1))
        Z[:, :, :: self.upsampling_factor] = A
        return Z

    def backward(self, dLdZ: Any) -> Any:
        return dLdZ[:, :, :: self.upsampling_factor]


class Downsample2d:
    def __init__(self, downsampling_factor: int) -> None:
        self.downsampling_factor = downsampling_factor

    def forward(self, A: Any) -> Any:
        self.shape = A.shape
        return A[:, :, :: self.downsampling_factor, :: self.downsampling_factor]

    def backward(self, dLdZ: Any) -> Any:
        dLdA = np.zeros(self.shape, dLdZ.dtype)
        dLdA[:, :, :: self.downsampling_factor, :: self.downsampling_factor] = dLdZ
        return dLdA


class Flatten:
    def forward(self, A: Any) -> Any:
        self.shape = A.shape
        return A.reshape(len(A), -1)

    def backward(self, dLdZ: Any) -> Any:
        return dLdZ.reshape(self.shape)


class Linear:
    """The bias is a column, as the course has it."""

    def __init__(self, in_features: int, out_features: int, debug: bool = False) -> None:
        self.W, self.b = np.zeros((out_features, in_features)), np.zeros((out_features, 1))

    def forward(self, A: Any) -> Any:
        self.A, self.Ones = A, np.ones((A.shape[0], 1))
        return A @ self.W.T + self.Ones @ self.b.T

    def backward(self, dLdZ: Any) -> Any:
        self.dLdW, self.dLdb = dLdZ.T @ self.A, dLdZ.T @ self.Ones
        return dLdZ @ self.W


class Add:
    def forward(self, A: Any, B: Any) -> Any:
        return A + B

    def backward(self, dLdZ: Any) -> Any:
        return dLdZ, dLdZ


COURSE: list[tuple[Any, str, tuple[int, ...], str]] = [
    (MeanPool2d, "AvgPool2d(2, stride=1)", (2, 1, 3, 4), "output, input"),
    (MeanPool2d(3, 2), "AvgPool2d(3, stride=2)", (1, 2, 5, 6), "output, input"),
    (Upsample1d, "UpsampleZeros(3)", (2, 1, 4), "output, input"),
    (Downsample2d, "Downsample(2)", (1, 2, 4, 3), "output, input"),
    (Flatten(), "Flatten()", (2, 3, 2), "output, input"),
    (Linear, "Linear(3, 2)", (4, 3), "output, input, weight, bias"),
    (Add, "Add()", (2, 3), "output, input, other"),
]


@pytest.mark.parametrize(("made", "text", "shape", "covered"), COURSE, ids=[case[1] for case in COURSE])
def test_course_style(made: Any, text: str, shape: tuple[int, ...], covered: str) -> None:
    found = verify(made, parse_layer(text), shape)
    assert found.ok and f"covered: {covered}" in found.report, found.report


def test_a_wrong_forward_of_a_course_layer_is_told() -> None:
    found = verify(Wrong, parse_layer("AvgPool2d(2, stride=2)"), (1, 1, 4, 4))
    assert found.label == "REFUTED" and "REFUTED as forward pass" in found.report
    assert "equals the right answer with this known bug: divisor forgotten" in found.report
