"""The checked entry: what a kernel accepts, what it refuses and how it says so."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from conv_reference import Array, operands, reference

from codegen import build
from codegen.call import Kernel
from codegen.compile import ISAS, chosen_isa
from codegen.errors import BuildError
from codegen.produce import claims_of, compile_digest
from codegen.work import bytes_of, check_work, products_of
from derive.errors import LayerError, LimitError
from derive.layers.conv import Conv2d
from derive.spelling import parse_layer

LAYER, SHAPE = Conv2d(2, 3, 3, stride=2, padding=1), (2, 2, 7, 6)


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return build(LAYER, SHAPE)


@pytest.fixture
def d() -> dict[str, Array]:
    return operands(LAYER, SHAPE, 5, np.float32)


def forward(kernel: Kernel, d: dict[str, Any], **more: Any) -> Array:
    return kernel.forward(d["input"], d["weight"], d["bias"], **more)


def backward(kernel: Kernel, d: dict[str, Any], **more: Any) -> dict[str, Array]:
    return kernel.backward(d["grad_output"], input=d["input"], weight=d["weight"], **more)


def test_forward_and_backward(kernel: Kernel, d: dict[str, Array]) -> None:
    exact = reference(LAYER, operands(LAYER, SHAPE, 5, object))
    y, gradients = forward(kernel, d), backward(kernel, d)
    assert y.shape == (2, 3, 4, 3) and (y.reshape(-1) == exact["output"].astype(np.float32)).all()
    assert list(gradients) == ["input", "weight", "bias"] == list(kernel.wrt)
    for name, gradient in gradients.items():
        assert gradient.shape == d[name].shape
        assert (gradient.reshape(-1) == exact[name].astype(np.float32)).all()


def test_out_and_workspace_are_used(kernel: Kernel, d: dict[str, Array]) -> None:
    workspace = np.full(kernel.workspace_bytes, 255, np.uint8)
    out = np.empty((2, 3, 4, 3), np.float32)
    assert forward(kernel, d, out=out, workspace=workspace) is out
    assert (out == forward(kernel, d)).all()
    given = {"weight": np.empty((3, 2, 3, 3), np.float32)}
    found = backward(kernel, d, out=given, workspace=workspace)
    assert found["weight"] is given["weight"] and (found["weight"] == backward(kernel, d)["weight"]).all()


def test_unbatched_without_bias_inference_only() -> None:
    layer, shape = Conv2d(1, 1, 2, bias=False), (1, 3, 4)
    d = operands(layer, shape, 1, np.float64)
    k = build(layer, shape, dtype="float64", wrt=())
    assert k.wrt == () and "grad" not in "".join(k._call)
    assert k.forward(d["input"], d["weight"]).shape == (1, 2, 3)
    assert k.backward(d["grad_output"], input=d["input"], weight=d["weight"]) == {}
    both = build(layer, shape, dtype="float64")
    assert list(both.backward(d["grad_output"], input=d["input"], weight=d["weight"])) == ["input", "weight"]


def test_wrt_picks_gradients(d: dict[str, Array]) -> None:
    k = build(LAYER, SHAPE, wrt="weight")
    assert list(k.backward(d["grad_output"], input=d["input"])) == ["weight"]


REFUSALS: list[tuple[str, Any, str]] = [
    ("input", lambda a: a.astype(np.float64), "wrong dtype"),
    ("input", lambda a: a.transpose(0, 1, 3, 2), "wrong shape"),
    ("input", lambda a: np.asfortranarray(a), "np.ascontiguousarray(input)"),
    ("input", lambda a: np.zeros((2, 2, 7, 12), np.float32)[:, :, :, ::2], "not C-contiguous"),
    ("weight", lambda a: a[0], "wrong shape"),
    ("weight", lambda a: None, "missing operand"),
    ("bias", lambda a: a.tolist(), "not an array"),
    ("bias", lambda a: a.astype(">f4"), "wrong dtype"),
    (
        "input",
        lambda a: np.zeros(a.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(a.shape),
        "not aligned",
    ),
]


@pytest.mark.parametrize(("name", "spoil", "words"), REFUSALS)
def test_operands_that_do_not_fit(
    kernel: Kernel, d: dict[str, Array], name: str, spoil: Any, words: str
) -> None:
    with pytest.raises(LayerError) as caught:
        forward(kernel, {**d, name: spoil(d[name])})
    assert words in str(caught.value) and caught.value.where == name
    assert caught.value.mend


def test_the_mend_of_another_shape_is_a_reshape_where_that_fits(kernel: Kernel, d: dict[str, Array]) -> None:
    for spoil, mended in ((lambda a: a[..., None], True), (lambda a: a[:1], False)):
        with pytest.raises(LayerError) as caught:
            forward(kernel, {**d, "input": spoil(d["input"])})
        assert (caught.value.mend == f"input.reshape{d['input'].shape}") == mended


def test_operands_the_layer_lacks(kernel: Kernel, d: dict[str, Array]) -> None:
    with pytest.raises(LayerError, match="no such operand"):
        forward(kernel, d, mask=d["input"])
    k = build(Conv2d(1, 1, 2, bias=False), (1, 3, 4), dtype="float64", wrt=())
    with pytest.raises(LayerError, match="no such operand"):
        k.forward(np.zeros((1, 3, 4)), np.zeros((1, 1, 2, 2)), np.zeros(1))


def test_out_that_does_not_fit(kernel: Kernel, d: dict[str, Array]) -> None:
    fixed = np.zeros((2, 3, 4, 3), np.float32)
    fixed.flags.writeable = False
    with pytest.raises(LayerError, match="read-only"):
        forward(kernel, d, out=fixed)
    with pytest.raises(LayerError, match="wrong shape"):
        forward(kernel, d, out=np.zeros((2, 3, 4, 4), np.float32))
    with pytest.raises(LayerError, match="not a dict"):
        backward(kernel, d, out=np.zeros((2, 3, 4, 3), np.float32))
    with pytest.raises(LayerError, match="no such gradient"):
        backward(kernel, d, out={"output": fixed})


def test_overlap_is_refused_and_nothing_is_written(kernel: Kernel, d: dict[str, Array]) -> None:
    memory = np.ones(400, np.float32)
    x, out = memory[:168].reshape(SHAPE), memory[160:232].reshape(2, 3, 4, 3)
    with pytest.raises(LayerError, match="out overlaps input"):
        forward(kernel, {**d, "input": x}, out=out)
    assert (memory == 1).all()
    with pytest.raises(LayerError, match="workspace overlaps input"):
        k_bytes = np.zeros(kernel.workspace_bytes // 4 + 400, np.float32)
        forward(kernel, {**d, "input": k_bytes[:168].reshape(SHAPE)}, workspace=k_bytes)
    with pytest.raises(LayerError, match="overlaps input"):
        backward(kernel, {**d, "input": x}, out={"input": x})
    same = np.zeros((2, 2, 7, 6), np.float32)
    weight = same.reshape(-1)[:54].reshape(3, 2, 3, 3)
    with pytest.raises(LayerError, match="overlaps"):
        backward(kernel, d, out={"input": same, "weight": weight})
    neighbours = memory[168:240].reshape(2, 3, 4, 3)
    assert (forward(kernel, {**d, "input": x}, out=neighbours) == forward(kernel, {**d, "input": x})).all()


def test_workspace_that_does_not_fit(kernel: Kernel, d: dict[str, Array]) -> None:
    assert kernel.workspace_bytes > 0
    whole = np.zeros(kernel.workspace_bytes + 8, np.uint8)
    for unfit in (whole[:-9], whole[::2], whole[1:], b"read-only" * kernel.workspace_bytes):
        with pytest.raises(LayerError, match="unfit workspace"):
            forward(kernel, d, workspace=unfit)


def test_packed_weights_are_a_snapshot_for_one_kernel(kernel: Kernel, d: dict[str, Array]) -> None:
    packed = kernel.pack_weights(d["weight"])
    before = forward(kernel, d)
    d["weight"][:] = 0
    assert (forward(kernel, {**d, "weight": packed}) == before).all()
    other = build(LAYER, SHAPE, wrt="weight")
    with pytest.raises(LayerError, match="packed for another kernel"):
        forward(other, {**d, "weight": packed})
    with pytest.raises(LayerError, match="packed for another kernel"):
        forward(kernel, {**d, "input": packed})


class Exporter:
    """An object that only speaks DLPack."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_dlpack_and_buffers_without_copies(kernel: Kernel, d: dict[str, Array]) -> None:
    exported = {**d, "input": Exporter(d["input"]), "bias": memoryview(d["bias"])}
    assert (forward(kernel, exported) == forward(kernel, d)).all()
    out = np.zeros((2, 3, 4, 3), np.float32)
    forward(kernel, d, out=memoryview(out))
    assert (out == forward(kernel, d)).all()


def test_torch_tensors(kernel: Kernel, d: dict[str, Array]) -> None:
    torch = pytest.importorskip("torch")
    tensors = {n: torch.from_numpy(a) for n, a in d.items()}
    assert (forward(kernel, tensors) == forward(kernel, d)).all()
    with pytest.raises(LayerError, match="not an array"):
        forward(kernel, {**tensors, "weight": tensors["weight"].requires_grad_()})


def test_threads_of_python_get_the_same_bits(kernel: Kernel) -> None:
    rng = np.random.default_rng(0)
    sets = [
        {o.name: rng.normal(size=o.shape).astype(np.float32) for o in LAYER.operands(SHAPE)} for _ in range(4)
    ]
    alone = [(forward(kernel, s).tobytes(), backward(kernel, s)["weight"].tobytes()) for s in sets]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            jobs = [
                pool.submit(lambda s=s: (forward(kernel, s), backward(kernel, s)["weight"])) for s in sets
            ]
            assert [tuple(a.tobytes() for a in j.result()) for j in jobs] == alone


def test_infinite_entries_stay_where_they_belong(kernel: Kernel, d: dict[str, Array]) -> None:
    """A row's end is not mixed with its neighbour, not even times zero."""
    layer, shape = Conv2d(1, 1, (1, 2)), (1, 1, 2, 20)
    k = build(layer, shape)
    x = np.ones(shape, np.float32)
    x[0, 0, 1] = np.inf
    g = np.ones((1, 1, 2, 19), np.float32)
    g[0, 0, 1] = 0
    w = np.ones((1, 1, 1, 2), np.float32)
    y = k.forward(x, w, np.zeros(1, np.float32))
    assert (y[0, 0, 0] == 2).all() and np.isinf(y[0, 0, 1]).all()
    x[0, 0, 1] = 5
    x[0, 0, 1, 0] = np.inf
    found = k.backward(g, input=x, weight=w)["weight"]
    assert found.reshape(-1)[1] == 19 and np.isnan(found.reshape(-1)[0])


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"dtype": "float16"}, LayerError, "dtype"),
        ({"validate": "none"}, LayerError, "validate"),
        ({"accuracy": "sloppy"}, LayerError, "accuracy"),
        ({"wrt": "output"}, LayerError, "no such gradient"),
        ({"wrt": ("input", "momentum")}, LayerError, "momentum"),
        ({"threads": 0}, LayerError, "threads"),
        ({"threads": 10**6}, LayerError, "threads"),
        ({"isa": "sse9"}, BuildError, "instruction set"),
    ],
)
def test_options_that_do_not_exist(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        build(LAYER, SHAPE, **options)


def test_wrong_shapes_are_refused_before_anything_is_built() -> None:
    with pytest.raises(LayerError, match="channels"):
        build(LAYER, (2, 3, 7, 6))


def test_a_cpu_without_the_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    import codegen.compile

    monkeypatch.setattr(codegen.compile, "cpu_features", frozenset)
    assert chosen_isa("native") is ISAS["portable"]
    with pytest.raises(BuildError, match="lacks avx2, fma"):
        chosen_isa("avx2")


def test_the_proof_says_what_was_built(kernel: Kernel) -> None:
    proof = json.loads(kernel.proof)
    assert proof["label"] == "ALL SIZES (certificate)" and len(proof["certificate_sha256"]) == 64
    assert proof["source_sha256"] == compile_digest(kernel.source)
    assert set(proof["theorem"]) == {"output", "grad_input", "grad_weight", "grad_bias"}
    said = " ".join(kernel.source.replace("#", " ").split())
    assert all(e in said for e in proof["theorem"].values())
    assert proof["label"] in kernel.source and proof["certificate_sha256"] in kernel.source
    assert proof["validation"]["level"] == "fast" and "-ffast-math" not in " ".join(proof["flags"])
    assert {c["method"] for c in proof["validation"]["checks"]} >= {"lexical", "integers", "trace"}
    assert compile_digest(kernel.source.replace("v_fma", "v_fmb", 1)) != proof["source_sha256"]


def test_exact_validation_runs() -> None:
    k = build(Conv2d(1, 1, 2), (1, 1, 3, 3), validate="exact", wrt=("input",))
    assert {c["method"] for c in json.loads(k.proof)["validation"]["checks"]} >= {"uint64", "real", "marks"}


@pytest.mark.parametrize("wrt", ["all", ()])
def test_a_layer_whose_windows_read_padding_alone(wrt: Any) -> None:
    """No product at all, in the kernels or in what they are checked against."""
    layer, shape = Conv2d(1, 1, 1, stride=3, padding=1, bias=False), (1, 1, 1, 1)
    kernel = build(layer, shape, dtype="float64", wrt=wrt, validate="exact")
    x, w = np.full(shape, 3.0), np.full((1, 1, 1, 1), 5.0)
    assert not kernel.forward(x, w).any()
    if wrt:
        grads = kernel.backward(np.ones(layer.output_shape(shape)), input=x, weight=w)
        assert set(grads) == {"input", "weight"} and not any(g.any() for g in grads.values())


# ---------------------------------------------------------------- layers with other operands


def test_input_is_needed_only_where_a_gradient_reads_it(kernel: Kernel, d: dict[str, Array]) -> None:
    k = build(LAYER, SHAPE, wrt="input")
    found = k.backward(d["grad_output"], weight=d["weight"])
    assert (found["input"] == backward(kernel, d)["input"]).all()
    with pytest.raises(LayerError, match="missing operand") as refused:
        kernel.backward(d["grad_output"], weight=d["weight"])
    assert refused.value.where == "input"


def test_a_layer_without_weight(d: dict[str, Array]) -> None:
    layer, x = parse_layer("AvgPool2d(2)"), np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    k = build(layer, x.shape)
    assert k.forward(x).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert (k.backward(4 * np.ones((1, 1, 2, 2), np.float32))["input"] == 1).all()
    for wrong in ({"weight": x}, {"other": x}):
        with pytest.raises(LayerError, match="no such operand"):
            k.forward(x, **wrong)
    with pytest.raises(LayerError, match="no weight") as refused:
        k.pack_weights(x)
    assert refused.value.where == repr(layer) and "input" in refused.value.expected
    with pytest.raises(LayerError, match="no such gradient"):
        build(layer, x.shape, wrt="weight")


def test_a_layer_with_another_operand() -> None:
    layer = parse_layer("Concat(dim=1, other_shape=(1, 1, 3))")
    x, other = np.ones((1, 2, 3)), np.full((1, 1, 3), 2.0)
    k = build(layer, x.shape, dtype="float64")
    assert k.wrt == ("input", "other")
    y = k.forward(x, other=other)
    assert (y == np.concatenate([x, other], 1)).all()
    found = k.backward(y)
    assert (found["input"] == x).all() and (found["other"] == other).all()
    with pytest.raises(LayerError, match="missing operand") as refused:
        k.forward(x)
    assert refused.value.where == "other"
    with pytest.raises(LayerError, match="wrong shape"):
        k.forward(x, other=x)
    with pytest.raises(LayerError, match="no such operand"):
        k.forward(x, other=other, output=y)


@pytest.mark.parametrize(
    ("text", "shape", "products"),
    [
        ("Conv2d(2, 3, 3, bias=False)", (1, 2, 4, 4), 3 * 2 * 4 * 9),
        ("AvgPool2d(3, stride=2, padding=1)", (1, 1, 4, 4), (2 + 3) ** 2),
        ("Upsample(scale_factor=2, mode='bilinear')", (1, 3, 224, 224), 3 * (448 * 2 - 2) ** 2),
    ],
)
def test_work_is_counted_in_terms_of_the_definition(text: str, shape: tuple[int, ...], products: int) -> None:
    """Not in values of all its indices: brackets leave few of them."""
    claims = claims_of(parse_layer(text), shape, ("output", "input"))
    assert products_of({"output": claims["output"]}) == products == products_of({"input": claims["input"]})


def test_too_much_work_is_refused() -> None:
    claims = claims_of(Conv2d(512, 512, 9), (8, 512, 256, 256), ("output",))
    with pytest.raises(LimitError, match="too large to validate"):
        check_work(claims)


def test_too_little_memory_is_refused_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some 100 bytes an entry, 350 where functions are evaluated; no MemoryError at the end."""
    claims = claims_of(Conv2d(1, 1, 1), (1, 1, 64, 64), ("output",))
    entries = 3 * 64 * 64 + 2
    assert bytes_of(claims) == 100 * entries
    monkeypatch.setattr("codegen.work.memory", lambda: 100 * entries)
    check_work(claims)
    monkeypatch.setattr("codegen.work.memory", lambda: 100 * entries - 1)
    with pytest.raises(LimitError, match="GB"):
        check_work(claims)
    monkeypatch.undo()
    assert bytes_of(claims_of(parse_layer("GELU()"), (4, 8), ("output",))) == 350 * 3 * 4 * 8
    with pytest.raises(LimitError, match="of memory"):
        build(Conv2d(1, 1, 1), (1, 1, 65536, 65536), wrt=())
