"""Every worked example of the course notes (tests/data/seed_examples.json), entry by entry."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import sympy
from evaluate import Evaluator

from derive import (
    Activation,
    Add,
    AvgPool2d,
    BCELoss,
    BCEWithLogitsLoss,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    CrossEntropyLoss,
    Downsample,
    Graph,
    MaxPool2d,
    Mul,
    Softmax,
    UpsampleZeros,
    prove,
)
from derive.between import theorem_between
from derive.derivation import differentiate
from derive.graph_derivation import differentiate_graph
from derive.instance import claim_at
from derive.slip_cases_losses import descent


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


# ---- layers that choose, apply functions, or measure a loss ---------------------------------------


def test_overlapping_max_pooling(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """maxpool-overlapping-ch4: the notes' largest entries; where windows overlap their gradients add."""
    case, shape = seed_cases["maxpool-overlapping-ch4"], (1, 1, 3, 3)
    layer = MaxPool2d(case["kernel_size"], stride=case["stride"])
    values = np.array([[1, 9, 2], [3, 4, 0], [8, 5, 7]])
    largest = {1: (0, 1), 2: (0, 1), 3: (2, 0), 4: (2, 2)}
    picked: dict[sympy.Expr, int] = {}
    pick = sympy.IndexedBase("pick")
    for n, (i, j) in enumerate(np.ndindex(2, 2), start=1):
        window = values[i : i + 2, j : j + 2]
        a, b = np.unravel_index(window.argmax(), window.shape)
        assert (i + a, j + b) == largest[n], "the notes' windows"
        for tap in np.ndindex(2, 2):
            picked[pick[(0, 0, i, j, *tap)]] = int(tap == (a, b))
    names = flat("input", "y", shape) | flat("grad_output", "g", (1, 1, 2, 2))
    proved = differentiate(layer, shape, "input")["input"]
    given = {f"y{n}": "0" for n in range(1, 10)} | case["grad_input"]
    assert case["grad_input"]["y2"] == "g1+g2"
    for name, text in given.items():
        mine = proved.element(tuple(int(i) for i in names[name].indices)).xreplace(picked)
        assert sympy.expand(mine - sympy.sympify(text, locals=names)) == 0, name
    assert any("unique" in said for said in layer.assumptions())


def test_the_gradient_of_any_activation(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """activation: grad Z = grad Y * f'(Z), entry by entry, for an f that nobody names; for all sizes."""
    assert "f'(Z)" in seed_cases["activation"]["theorem"]
    shape = (2, 3)
    f, t = sympy.Function("f"), sympy.Symbol("t")
    z, g = sympy.IndexedBase("input"), sympy.IndexedBase("grad_output")
    slope = sympy.Derivative(f(t), t)
    proved = differentiate(Activation(), shape)["input"]
    for at in np.ndindex(*shape):
        assert proved.element(at).doit() == g[at] * slope.subs(t, z[at]).doit()
    assert str(proved.general.right.body) == "grad_output[n_0, n_1] f_prime(input[n_0, n_1])"
    assert prove(Activation).ok


def test_chain_rule_refresher(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """chain-rule-refresher: f = q z with q = x + y at q = 3, z = -4, whatever x and y make up q."""
    case = seed_cases["chain-rule-refresher"]
    nodes = {"q": (Add(), "x", "y"), "f": (Mul(), "q", "z")}
    graph, shapes = Graph(("x", "y", "z"), nodes, ("f",)), dict.fromkeys("xyz", (1,))
    found = differentiate_graph(graph, shapes, ("x", "y", "z", "q"))
    assert set(found) == set(case["grads"])
    for x in (-2, 0, 7):
        put = {"x": x, "y": case["at"]["q"] - x, "q": case["at"]["q"], "z": case["at"]["z"], "grad_output": 1}
        entries = {sympy.IndexedBase(name)[0]: value for name, value in put.items()}
        for name, gradient in case["grads"].items():
            assert found[name].element((0,)).xreplace(entries) == gradient, name


def test_softmax_and_its_cross_entropy(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """softmax-cross-entropy: softmax, multi-class and binary cross entropy, and the gradient of the pair."""
    assert seed_cases["softmax-cross-entropy"]["op"].startswith("softmax, binary and multi-class")
    count = 4
    z, y = sympy.IndexedBase("input"), sympy.IndexedBase("target")
    p = [sympy.exp(z[i]) / sympy.Add(*(sympy.exp(z[j]) for j in range(count))) for i in range(count)]
    softmax = Softmax(-1).to_sympy((count,)).output
    for i in range(count):
        assert same(softmax[i], p[i], z, count)
    layer = CrossEntropyLoss(target="probabilities", reduction="sum")
    entropy = -sympy.Add(*(y[i] * sympy.log(p[i]) for i in range(count)))
    sum_p = sympy.Add(*(y[i] for i in range(count)))
    proved = differentiate(layer, (count,))["input"]
    for i in range(count):
        mine = proved.element((i,)) / sympy.Symbol("grad_output")
        assert same(mine, sum_p * p[i] - y[i], z, count)
        assert same(mine, entropy.diff(z[i]), z, count)
        assert not same(mine, p[i] - y[i], z, count), "only where the target's sum is 1"
        one = {y[0]: 1 - sum_p + y[0]}
        assert same(mine.subs(one), (p[i] - y[i]).subs(one), z, count)


def same(left: sympy.Expr, right: sympy.Expr, z: sympy.IndexedBase, count: int) -> bool:
    """Whether two expressions are equal as rational functions of the exponentials, exactly."""
    letters = {z[i]: sympy.log(sympy.Symbol(f"e{i}", positive=True)) for i in range(count)}
    difference = sympy.together(left.xreplace(letters) - right.xreplace(letters))
    return bool(sympy.expand(sympy.numer(difference)) == 0)


def test_binary_cross_entropy(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """softmax-cross-entropy: -(y log p + (1 - y) log(1 - p)), of a probability and of a logit."""
    p, y = sympy.IndexedBase("input")[0], sympy.IndexedBase("target")[0]
    half, part = sympy.Rational(1, 2), sympy.Rational(1, 3)
    value = BCELoss(reduction="sum").to_sympy((1,)).output
    whole = value[()] if hasattr(value, "shape") and value.shape == () else value
    for at in (half, part, 1 - part):
        put = {p: at, y: sympy.Rational(3, 4)}
        wanted = -(put[y] * sympy.log(at) + (1 - put[y]) * sympy.log(1 - at))
        assert sympy.expand(sympy.sympify(whole).xreplace(put) - wanted) == 0
    slope = differentiate(BCEWithLogitsLoss(reduction="sum"), (1,))["input"].element((0,))
    logistic = 1 / (1 + sympy.exp(-p))
    assert sympy.expand(slope / sympy.Symbol("grad_output") - (logistic - y)) == 0
    assert "binary" in seed_cases["softmax-cross-entropy"]["op"]


def test_a_step_down_the_loss(seed_cases: dict) -> None:  # type: ignore[type-arg]
    """softmax-cross-entropy: w - eta*dL/dw lowers the loss of the notes' example; along dy/dw it rises."""
    assert "SGD step w - eta*dL/dw" in seed_cases["softmax-cross-entropy"]["op"]
    found = descent()
    assert found.truth == found.mended != found.claimed
    assert found.truth["loss after the step"] < 9 < found.claimed["loss after the step"]


def test_every_case_of_the_notes_has_a_test(seed_examples: dict) -> None:  # type: ignore[type-arg]
    """Each case's name stands in a test of this file as the case that it reads."""
    source = Path(__file__).read_text(encoding="utf-8")
    names = [case["id"] for case in seed_examples["cases"]]
    assert len(names) == len(set(names)) == 17
    read = set(re.findall(r'seed_cases\["([a-z0-9-]+)"\]', source))
    read |= set(re.findall(r'"(conv-numbers-stride\d)"', source))
    assert set(names) == read
    assert len(seed_examples["slips"]) == 14
