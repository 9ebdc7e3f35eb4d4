"""The worked examples of the course notes that concern convolutions (tests/data/seed_examples.json)."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from evaluate import Evaluator

from derive.instance import claim_at
from derive.layers.conv import Conv2d


def forward(layer: Conv2d, x: np.ndarray, w: np.ndarray, b: list[int]) -> np.ndarray:
    """The forward closed form, evaluated by plain loops on whole numbers."""
    claim = claim_at(layer.claims(**layer.choices(x.shape))["output"], layer.sizes(x.shape))
    given = {"input": x, "weight": w, "bias": np.array(b)}
    arrays = {}
    for tensor in claim.setting.inputs:
        shape = tuple(f.constant for f in tensor.shape)
        values = given.get(tensor.name, np.zeros(shape, int)).reshape(shape)
        arrays[tensor.name] = {i: int(values[i]) for i in np.ndindex(*shape)}
    result = Evaluator(claim, arrays).right()
    return np.array(list(result.values())).reshape(layer.output_shape(x.shape))


@pytest.mark.parametrize("title", ["conv-numbers-stride1", "conv-numbers-stride2"])
def test_numbers(seed_cases: dict, title: str) -> None:  # type: ignore[type-arg]
    case = seed_cases[title]
    x, w = np.array(case["input"])[None, None], np.array(case["weight"])[None, None]
    y = forward(Conv2d(1, 1, 3, stride=case["stride"]), x, w, [case["bias"]])
    assert y[0, 0].tolist() == case["output"]


def test_stride_two_is_stride_one_downsampled(seed_cases: dict) -> None:  # type: ignore[type-arg]
    one, two = seed_cases["conv-numbers-stride1"], seed_cases["conv-numbers-stride2"]
    assert np.array(one["output"])[::2, ::2].tolist() == two["output"]


def test_impulse(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """conv-impulse: with 1 in the kernel's centre the output is the image; dy[1,1]/dw[1,1] is the centre."""
    assert seed_cases["conv-impulse"]["op"].startswith("conv2d")
    image = np.zeros((1, 1, 3, 3), int)
    image[0, 0, 1, 1] = 25
    kernel = np.zeros((1, 1, 3, 3), int)
    layer = Conv2d(1, 1, 3, padding=1)
    assert not forward(layer, image, kernel, [0]).any()
    kernel[0, 0, 1, 1] = 1
    assert (forward(layer, image, kernel, [0]) == image).all()
    built = layer.to_sympy((1, 1, 3, 3))
    x, w = sympy.IndexedBase("input"), sympy.IndexedBase("weight")
    assert sympy.diff(built.output[0, 0, 1, 1], w[0, 0, 1, 1]) == x[0, 0, 1, 1]


def test_output_size(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """output-size: floor((W_in - W_k + 2P)/S) + 1, whole range of small sizes."""
    assert seed_cases["output-size"]["formula"] == "floor((W_in - W_k + 2P)/S) + 1"
    for width in range(1, 9):
        for kernel in range(1, width + 3):
            for padding in range(3):
                for stride in range(1, 5):
                    if width + 2 * padding < kernel:
                        continue
                    layer = Conv2d(1, 1, (1, kernel), stride=(1, stride), padding=(0, padding))
                    assert (
                        layer.output_shape((1, 1, 1, width))[3]
                        == (width - kernel + 2 * padding) // stride + 1
                    )


def test_strided_convolution_is_resampled(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """strided-conv-is-resampled, entry by entry in symbols: forward, and the gradient through the spread."""
    assert "downsampling by S" in seed_cases["strided-conv-is-resampled"]["theorem"]
    plain, strided, shape = Conv2d(1, 1, 2), Conv2d(1, 1, 2, stride=3), (1, 1, 6, 5)
    one, three = plain.to_sympy(shape).output, strided.to_sympy(shape).output
    assert three.shape == (1, 1, 2, 2)
    for i in range(2):
        for j in range(2):
            assert three[0, 0, i, j] == one[0, 0, 3 * i, 3 * j]
    g = sympy.IndexedBase("grad_output")
    spread = {
        g[0, 0, i, j]: g[0, 0, i // 3, j // 3] if i % 3 == 0 and j % 3 == 0 else sympy.S(0)
        for i in range(5)
        for j in range(4)
    }
    for title in ("input", "weight"):
        long, short = plain.to_sympy(shape).gradient(title), strided.to_sympy(shape).gradient(title)
        for index in np.ndindex(*long.shape):
            assert sympy.expand(long[index].subs(spread, simultaneous=True) - short[index]) == 0
