"""The worked examples of the course notes that concern linear layers (tests/data/seed_examples.json)."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from evaluate import Evaluator

from derive import AvgPool2d, Conv1d, Conv2d, ConvTranspose2d, Downsample, UpsampleZeros
from derive.between import theorem_between
from derive.derivation import differentiate
from derive.instance import claim_at


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


# ---- symbols: every entry that the notes give, against the proved closed forms --------------------


def flat(tensor: str, letter: str, shape: tuple[int, ...]) -> dict[str, sympy.Expr]:
    """x1, x2, ... of the notes as entries of a tensor, row by row."""
    base = sympy.IndexedBase(tensor)
    return {f"{letter}{n}": base[index] for n, index in enumerate(np.ndindex(*shape), start=1)}


def paired(tensor: str, letter: str, shape: tuple[int, int]) -> dict[str, sympy.Expr]:
    """X11, X12, ... of the notes, rows and columns counted from 1."""
    base = sympy.IndexedBase(tensor)
    return {f"{letter}{i + 1}{j + 1}": base[0, 0, i, j] for i, j in np.ndindex(*shape)}


def compare(layer: object, shape: tuple[int, ...], wrt: str, given: dict[str, str], names: dict) -> None:  # type: ignore[type-arg]
    """Each given entry, by the notes' name, against the gradient's entry of the same place."""
    proved = differentiate(layer, shape, wrt)[wrt]  # type: ignore[arg-type]
    assert given
    for name, text in given.items():
        entry = names[name]
        assert str(entry.base) == wrt
        mine = proved.element(tuple(int(i) for i in entry.indices))
        assert sympy.expand(mine - sympy.sympify(text, locals=names)) == 0, (
            f"{wrt} {name}: {mine}, not {text}"
        )


def test_convolution_in_symbols(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """conv-symbols-3x3-2x2: all nine and all four entries."""
    case, layer, shape = seed_cases["conv-symbols-3x3-2x2"], Conv2d(1, 1, 2, bias=False), (1, 1, 3, 3)
    names = paired("input", "X", (3, 3)) | paired("weight", "F", (2, 2)) | paired("grad_output", "G", (2, 2))
    assert len(case["grad_input"]) == 9 and len(case["grad_weight"]) == 4
    compare(layer, shape, "input", case["grad_input"], names)
    compare(layer, shape, "weight", case["grad_weight"], names)
    with pytest.raises(AssertionError):
        compare(layer, shape, "input", case["grad_input"] | {"X11": "G11*F12"}, names)


def test_convolution_of_chapter_4(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """conv-symbols-ch4: x1..x9, w1..w4, g1..g4."""
    case, layer, shape = seed_cases["conv-symbols-ch4"], Conv2d(1, 1, 2, bias=False), (1, 1, 3, 3)
    small = (1, 1, 2, 2)
    names = flat("input", "x", shape) | flat("weight", "w", small) | flat("grad_output", "g", small)
    assert len(case["grad_input"]) == 9 and len(case["grad_weight"]) == 4
    compare(layer, shape, "input", case["grad_input"], names)
    compare(layer, shape, "weight", case["grad_weight"], names)


def test_overlapping_mean_pooling(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """meanpool-overlapping-ch4: where windows overlap their shares add."""
    case = seed_cases["meanpool-overlapping-ch4"]
    layer, shape = AvgPool2d(case["kernel_size"], stride=case["stride"]), (1, 1, 3, 3)
    names = flat("input", "y", shape) | flat("grad_output", "g", (1, 1, 2, 2))
    compare(layer, shape, "input", case["grad_input"], names)


def test_downsampling(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """downsample-ch4, forward and backward; the theorem named in the notes is among ours."""
    case, shape = seed_cases["downsample-ch4"], (1, 1, 3, 3)
    layer = Downsample(case["factor"])
    names = flat("input", "x", shape) | flat("grad_output", "g", (1, 1, 2, 2))
    compare(layer, shape, "input", case["grad_input"], names)
    assert [layer.to_sympy(shape).output[i] for i in np.ndindex(1, 1, 2, 2)] == [
        names[name] for name in case["output"]
    ]
    assert "as many zeros as the downsampling left over" in case["theorem"]
    assert "as many zeros as the downsampling left over" in theorem_between("downsample-gradient").says


def test_upsampling(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """upsample-ch4, forward and backward."""
    case, shape = seed_cases["upsample-ch4"], (1, 1, 2, 2)
    layer = UpsampleZeros(case["factor"])
    names = flat("input", "x", shape) | flat("grad_output", "g", (1, 1, 3, 3))
    compare(layer, shape, "input", case["grad_input"], names)
    mine = [layer.to_sympy(shape).output[i] for i in np.ndindex(1, 1, 3, 3)]
    assert mine == [sympy.sympify(text, locals=names) for text in case["output"]]


def test_full_convolution_of_the_notes(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """conv1d-full-notes: outputs, every column of the Jacobian (the flipped kernel), the gradient by b."""
    case = seed_cases["conv1d-full-notes"]
    layer, shape = Conv1d(1, 1, 2, padding="full", bias=False), (1, 1, 5)
    x, w, g = (sympy.IndexedBase(t) for t in ("input", "weight", "grad_output"))
    names = {letter: x[0, 0, i] for i, letter in enumerate(case["input"])}
    names |= {letter: w[0, 0, i] for i, letter in enumerate(case["weight"])}
    names |= {f"g{i + 1}": g[0, 0, i] for i in range(6)}
    output = [layer.to_sympy(shape).output[0, 0, i] for i in range(6)]
    for mine, text in zip(output, case["output"], strict=True):
        assert sympy.expand(mine - sympy.sympify(text, locals=names)) == 0
    assert set(case["columns"]) == set(case["input"])
    for letter, column in case["columns"].items():
        assert [sympy.diff(y, names[letter]) for y in output] == [
            sympy.sympify(text, locals=names) for text in column
        ]
    compare(layer, shape, "input", case["grad_input"], names)


def test_many_channels(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """multichannel: channel c of the input gradient, and the gradient of channel c of filter k."""
    assert "channel c of all K filters" in seed_cases["multichannel"]["theorem"]
    layer, shape = Conv2d(2, 3, 2, bias=False), (1, 2, 3, 4)
    x, w, g = (sympy.IndexedBase(t) for t in ("input", "weight", "grad_output"))
    proved = differentiate(layer, shape)
    for c, i, j in np.ndindex(2, 3, 4):
        places = [(a, b) for a in range(2) for b in range(2) if 0 <= i - 1 + a < 2 and 0 <= j - 1 + b < 3]
        wanted = sum(
            g[0, k, i - 1 + a, j - 1 + b] * w[k, c, 1 - a, 1 - b] for k in range(3) for a, b in places
        )
        assert sympy.expand(proved["input"].element((0, c, i, j)) - wanted) == 0
    for k, c, a, b in np.ndindex(3, 2, 2, 2):
        wanted = sum(x[0, c, i + a, j + b] * g[0, k, i, j] for i in range(2) for j in range(3))
        assert sympy.expand(proved["weight"].element((k, c, a, b)) - wanted) == 0


def test_upsampling_then_convolution_is_transposed(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """fractional-stride, entry by entry: the two layers in a row, and the transposed convolution."""
    assert "fractional stride" in seed_cases["fractional-stride"]["theorem"]
    up, conv, shape = UpsampleZeros(2), Conv2d(1, 1, 2, padding="full", bias=False), (1, 1, 2, 3)
    long = up.output_shape(shape)
    x, w = sympy.IndexedBase("input"), sympy.IndexedBase("weight")
    raised = up.to_sympy(shape).output
    put = {x[i]: raised[i] for i in np.ndindex(*long)}
    chain = conv.to_sympy(long).output
    whole = ConvTranspose2d(1, 1, 2, stride=2, bias=False)
    turned = {w[0, 0, a, b]: w[0, 0, 1 - a, 1 - b] for a, b in np.ndindex(2, 2)}
    assert whole.output_shape(shape) == conv.output_shape(long)
    direct = whole.to_sympy(shape).output
    for index in np.ndindex(*whole.output_shape(shape)):
        mine = direct[index].subs(turned, simultaneous=True)
        assert sympy.expand(chain[index].subs(put, simultaneous=True) - mine) == 0
