"""The clipped loops: random expressions against the plain-loop evaluator, interpreted and compiled."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluate import Evaluator, draw
from random_claims import flat, random_claim

from codegen import compile
from codegen.errors import BuildError
from codegen.lexical import gate
from codegen.loops import Buffer, Call, Do, If, Kernel, Limit, Loop, Pointer, Statement, statements
from codegen.lower import lower
from codegen.run import UNWRITTEN, run
from codegen.schedules.clip import Clip
from codegen.schedules.nest import Access, Target
from codegen.targets.cython import printer
from derive.claim import Claim
from derive.index import Form, Index, Within, name
from derive.instance import claim_at
from derive.spelling import parse_layer

SMALL = Target(4, 12, 16)
ISA_NAMES = [n for n, i in compile.ISAS.items() if i.needs <= compile.cpu_features()]


def exact_and_data(claim: Claim, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    arrays = draw(claim, random.Random(seed))
    exact = np.array(list(Evaluator(claim, arrays).right().values()), dtype=object)
    return exact, flat(claim, arrays, object)


def agree(claim: Claim, seed: int, target: Target) -> Kernel:
    exact, data = exact_and_data(claim, seed)
    kernel = lower("output", claim, target)
    found = run(kernel, data, target.lanes)
    assert (found == exact).all(), (seed, target, str(claim.right), kernel.notes)
    return kernel


def sweep(first: int, count: int) -> Counter[str]:
    """Random claims; what kinds of statements and schedules they came to."""
    seen: Counter[str] = Counter()
    for seed in range(first, first + count):
        kernel = agree(random_claim(seed), seed, Target(random.Random(seed).choice([2, 4, 8]), 12, 16))
        seen.update({type(s).__name__ for s in statements(kernel.body)})
        seen.update({note.partition(":")[0] + " " + note[6:12] for note in kernel.notes})
        used = {s.value.operation for s in statements(kernel.body) if hasattr(s, "value")}
        seen.update(used | {s.call.operation for s in statements(kernel.body) if isinstance(s, Do)})
        seen.update({f"factors {max(len(t.factors) for t in random_claim(seed).right.body.terms)}"})
    return seen


def test_random_expressions_equal_plain_loops() -> None:
    seen = sweep(0, 150)
    for word in ("If", "Limit", "v_fma", "v_load_strided", "v_store_strided", "factors 4", "factors 1"):
        assert seen[word] > 5, (word, seen)


@pytest.mark.sweep
def test_many_random_expressions_equal_plain_loops() -> None:
    sweep(1000, 2000)


LAYERS = [
    ("AvgPool2d(2)", (1, 2, 6, 8)),
    ("AvgPool2d(3, stride=2, padding=1)", (1, 2, 9, 40)),
    ("AvgPool2d((5, 4), stride=(1, 3), padding=(2, 1), ceil_mode=True)", (2, 1, 7, 11)),
    ("Upsample(scale_factor=2)", (1, 1, 5, 20)),
    ("Upsample(scale_factor=(2, 3), mode='bilinear')", (1, 2, 3, 18)),
    ("Upsample(size=(7, 5), mode='bilinear', align_corners=True)", (1, 1, 4, 6)),
    ("AdaptiveAvgPool2d((3, 5))", (1, 2, 7, 12)),
    ("ReflectionPad2d((2, 1, 3, 2))", (1, 2, 5, 20)),
    ("CircularPad1d((3, 3))", (1, 1, 3)),
    ("ReplicationPad2d((1, 2, 0, 3))", (1, 1, 2, 3)),
    ("ConvTranspose2d(2, 3, 4, stride=2, padding=1)", (1, 2, 4, 10)),
    ("ConvTranspose2d(2, 2, (3, 2), stride=(3, 2), dilation=(2, 1), padding=1, groups=2)", (1, 2, 3, 5)),
    ("Conv2d(2, 2, 3, padding=(2, 1), padding_mode='reflect')", (1, 2, 5, 6)),
    ("Conv1d(1, 2, 4, stride=2, padding=2, padding_mode='circular')", (1, 1, 21)),
    ("UpsampleZeros(3, output_padding=1)", (1, 1, 3, 9)),
    ("Downsample((2, 3))", (2, 1, 5, 35)),
    ("PixelShuffle(2)", (1, 8, 3, 17)),
    ("PixelUnshuffle(3)", (1, 1, 6, 9)),
    ("Concat(dim=1)", (1, 2, 3, 3)),
    ("WeightedPool2d((3, 2), stride=2, padding=1)", (1, 2, 5, 9)),
]


def claims_of(text: str, shape: tuple[int, ...]) -> dict[str, Claim]:
    layer = parse_layer(text)
    found = type(layer).claims(**layer.choices(shape))
    return {key: claim_at(c, layer.sizes(shape)) for key, c in found.items()}


@pytest.mark.parametrize(("text", "shape"), LAYERS, ids=[t for t, _ in LAYERS])
def test_layers_equal_plain_loops(text: str, shape: tuple[int, ...]) -> None:
    for claim in claims_of(text, shape).values():
        for lanes in (2, 16):
            agree(claim, 3, Target(lanes, 12, 16))


# ---------------------------------------------------------------- compiled


BUILDS = [(ISA_NAMES[0], "float64"), *((i, "float32") for i in ISA_NAMES)]


@pytest.fixture(scope="module", params=BUILDS, ids=["-".join(b) for b in BUILDS])
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Random claims and layers in one module: (claims, kernels, module, text, dtype)."""
    isa, dtype = compile.ISAS[request.param[0]], request.param[1]
    target = Target(isa.lanes(dtype), isa.accumulators, isa.registers)
    claims = [c for c in map(random_claim, range(500, 530)) if len(c.setting.inputs) <= 6]
    claims += [c for text, shape in LAYERS[1:14:2] for c in claims_of(text, shape).values()]
    kernels = [replace(lower("output", c, target), name=f"output_{i}") for i, c in enumerate(claims)]
    text = printer.module_text("random expressions", (), kernels)
    folder = tmp_path_factory.mktemp("clip")
    (folder / "clip.pyx").write_text(text)
    c_path = compile.to_c(folder / "clip.pyx", "clip")
    element = {"float32": "BF_ELEMENT_FLOAT", "float64": "BF_ELEMENT_DOUBLE"}[dtype]
    compile.to_binary(c_path, folder / "clip.so", isa, (element, f"BF_LANES={target.lanes}"))
    return claims, kernels, compile.load("clip", folder / "clip.so"), text, dtype


def test_compiled_loops_equal_plain_loops(compiled: Any) -> None:
    claims, kernels, module, text, dtype = compiled
    assert {f"bf_{k.name}" for k in kernels} <= set(gate(text))  # parts are functions of their own
    for seed, (claim, kernel) in enumerate(zip(claims, kernels, strict=True)):
        exact, data = exact_and_data(claim, seed)
        assert all(abs(v) < 2**24 for v in exact)
        margin = 64
        workspace, whole = np.zeros(kernel.workspace, dtype), np.zeros(kernel.out.count + 2 * margin, dtype)
        module.poison(workspace)
        module.poison(whole)
        arrays = [data[b.name].astype(dtype) for b in kernel.operands]
        before = whole[:margin].tobytes() + whole[-margin:].tobytes()
        getattr(module, f"call_{kernel.name}")(whole[margin:-margin], *arrays, workspace)
        assert (whole[margin:-margin] == exact.astype(dtype)).all(), str(claim.right)
        assert whole[:margin].tobytes() + whole[-margin:].tobytes() == before


# ---------------------------------------------------------------- sabotage: what the comparison must see


def mapped(body: tuple[Statement, ...], change: Callable[[Statement], Statement]) -> tuple[Statement, ...]:
    done = []
    for statement in body:
        new = change(statement)
        done.append(replace(new, body=mapped(new.body, change)) if isinstance(new, Loop | If) else new)
    return tuple(done)


def early(s: Statement) -> Statement:
    return replace(s, form=s.form - s.divisor) if isinstance(s, Limit) and s.upper else s


def late(s: Statement) -> Statement:
    return replace(s, form=s.form + s.divisor) if isinstance(s, Limit) and not s.upper else s


def edgeless(s: Statement) -> Statement:
    return replace(s, edge=None) if isinstance(s, Limit) else s


def untested(s: Statement) -> Statement:
    return replace(s, conditions=(Within(Form(), Form.of(1)),)) if isinstance(s, If) else s


def shifted(s: Statement) -> Statement:
    if isinstance(s, Do) and s.call.operation == "v_store_strided":
        pointer, *rest = s.call.arguments
        assert isinstance(pointer, Pointer)
        return Do(Call("v_store_strided", (Pointer(pointer.buffer, pointer.at + 1), *rest)))
    return s


@pytest.mark.parametrize("change", [early, late, edgeless, untested, shifted])
def test_a_wrong_loop_is_seen(change: Callable[[Statement], Statement]) -> None:
    changed = noticed = 0
    for seed in range(80):
        claim = random_claim(seed)
        exact, data = exact_and_data(claim, seed)
        kernel = lower("output", claim, SMALL)
        broken = replace(kernel, body=mapped(kernel.body, change))
        changed += broken != kernel
        try:
            noticed += broken != kernel and bool((run(broken, data, 4) != exact).any())
        except (IndexError, ValueError):
            noticed += 1
    assert changed >= 5 and noticed >= changed / 3, (changed, noticed)


# ---------------------------------------------------------------- the loops


def test_short_lines_and_ends_of_lines_are_parts_of_vectors() -> None:
    kernel = lower("output", claims_of("Add()", (3, 5))["output"], Target(16, 12, 16))
    clip = Clip(kernel_out := Access(kernel.out, name("f")), {"f": 21}, (), Target(16, 12, 16), "f")
    words = [s.call.operation for s in statements(clip.statements(iter(range(9)))) if isinstance(s, Do)]
    assert words == ["v_store", "v_store_part"] and kernel_out.slope("f") == 1


def test_hoisted_factors_are_multiplied_once() -> None:
    """share_h * share_w is formed outside the window's loops."""
    kernel = lower("output", claims_of("AdaptiveAvgPool2d((31, 33))", (1, 1, 47, 50))["output"], SMALL)
    text = "\n".join(printer.lines(kernel.body))
    depth = {line.strip().partition(" = ")[0]: len(line) - len(line.lstrip()) for line in text.split("\n")}
    fma = max(len(line) - len(line.lstrip()) for line in text.split("\n") if "e_total = e_fma" in line)
    assert depth["e_0_p1"] < fma


def test_a_limit_says_floor_and_its_text_passes_the_gate() -> None:
    limit = Limit("q_to", name("f") * -1 + 4, 3, 2, True, 5, ("other",))
    assert printer._lines(limit) == [
        "q_to = (-f + 10) // 3 - 2",
        "if q_to > 5:",
        "    q_to = 5",
        "if q_to > other:",
        "    q_to = other",
    ]
    out = Buffer("out", 1)
    store = Do(Call("e_store", (Pointer(out, Form()), "e")))
    for f, other, expected in ((0, 9, 1), (10, 9, -2), (0, 0, 0), (-6, 9, 3), (-99, 9, 5)):
        body = (replace(limit, lift=0 if f < 0 else 2), store)
        machine_like = Kernel("output", out, (), (), body)
        from codegen.run import Machine

        machine = Machine(machine_like, {}, 4, 0)
        machine.integers |= {"f": f, "other": other}
        machine.values["e"] = 0
        machine.execute(body)
        assert machine.integers["q_to"] == expected == min((4 - f) // 3, 5, other)
    machine.integers["f"] = 50
    with pytest.raises(ValueError, match="is below"):
        machine.execute((limit,))


def test_what_the_gate_refuses_of_a_limit() -> None:
    claim = claims_of("AdaptiveAvgPool2d((31, 33))", (1, 1, 47, 50))["output"]
    kernel = lower("output", claim, SMALL)
    text = printer.module_text("limits", (), [kernel])
    assert re.search(r"o?i_w_to_0 = \(.*\) // \d+", text) and gate(text)
    for old, new in ((" // ", " / "), (" // ", " >> "), ("i_w_to_0 = (", "i_w_to_0 = e_load(input) + (")):
        with pytest.raises(BuildError, match="may not"):
            gate(text.replace(old, new, 1))


def test_an_entry_without_terms_is_zero_and_all_is_written() -> None:
    claim = claims_of("UpsampleZeros(4)", (1, 1, 2, 3))["output"]
    found = run(lower("output", claim, SMALL), {"input": np.ones(6, dtype=object)}, 4)
    assert not any(v is UNWRITTEN for v in found) and sum(found) == 6


def test_clip_prefers_vectors_where_no_condition_names_the_line() -> None:
    """The channel axis of a resampling that has no phases."""
    claim = claims_of("Upsample(size=(19, 23), mode='nearest')", (1, 16, 11, 13))["output"]
    assert lower("output", claim, SMALL).notes == ("CLIP: vectors of 4 along c",)


def test_unit_extents_have_no_loop() -> None:
    index = Index("f", Form.of(1))
    clip = Clip(Access(Buffer("out", 1), Form()), {}, (), SMALL, "")
    assert not any(isinstance(s, Loop) for s in clip.statements(iter(range(9)))) and index.extent == Form.of(
        1
    )
