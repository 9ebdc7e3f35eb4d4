"""Packed, padded, tiled and vectorised text goes through the same checks; planted bugs live and refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from packed_text import Edits, Part, artefact
from test_validate import changes_results, refused
from winograd_text import only

from codegen import validate as room
from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.relation import entries
from codegen.rig import Rig
from codegen.validate import validate

LAST_TILE = "v_splat(lines + row + j + b))\n                    v_store(part + at * @L@, acc0)\n    for k"
NO_PAD = "                else:\n                    e_store(lines + (c * @HP@ + i) * @WP@ + j, e_zero())"
FROM_BIAS = (
    "first == 0:\n                        acc0 = v_load(start + k * @L@)\n                        acc1"
)
PACKED = "for c in range(@C@):\n                for t"
GAP = (
    ("v_load_part(grad_output + at + j, @OW@ % @L@)", "v_load(grad_output + at + j)"),
    ("v_load_part(workspace + row + j, @OW@ % @L@)", "v_load(workspace + row + j)"),
)


def edited(old: str, *turn: str) -> Part:
    """The forward kernel with a piece of its text changed; `turn`: what in it goes out, and what comes in."""
    return Part("output", ((old, old.replace(*turn, 1)),))


# name: the kernel with the bug, what the trace says of it
BUGS: dict[str, tuple[Part, str]] = {
    "remainder tile one tap off in the last block": (
        edited(LAST_TILE, "j + b", "j + b + k // (@KB@ - 1)"),
        r"output\[0, 4, 0, 6\] has a product that is no term",
    ),
    "stale scratch: one channel is not packed": (
        edited(PACKED, "@C@", "@C@ - 1"),
        r"output\[0, 0, 0, 0\] was never written",
    ),
    "one pad element of one channel": (
        edited(NO_PAD, "else", "elif c != 1 or i != 0 or j != 2"),
        r"output\[0, 0, 0, 0\] was never written",
    ),
    "wrong pad in one channel block": (
        edited(
            NO_PAD,
            NO_PAD,
            NO_PAD.replace("else", "elif c >= @CB@").replace("e_zero()", "e_load(input + c)") + "\n" + NO_PAD,
        ),
        r"output\[0, 0, 0, 0\] .*weight\[0, 3, 0, 0\] \* input\[0, 0, 0, 3\]",
    ),
    "gap lane leaks into a sum": (
        Part("grad_weight", GAP),
        r"weight\[0, 0, \d, 0\] .*grad_output\[0, 0, \d, 0\] \* input\[0, 0, \d, \d\]",
    ),
    "channel block starts from the bias again": (
        edited(FROM_BIAS, "first == 0", "first == first"),
        r"output\[0, 0, 0, 0\] has \d+ of its \d+ terms",
    ),
}
REVERSED: Edits = (
    ("for c in range(first, last):", "for c in range(last - 1, first - 1, -1):"),
    ("for b in range(@KW@):", "for b in range(@KW@ - 1, -1, -1):"),
    ("for first in range(0, @C@, @CB@):", "for first in range(0, @C@, 2):"),
    ("last = first + @CB@", "last = first + 2"),
)
SOUND = {
    "output": Part("output"),
    "grad_weight": Part("grad_weight"),
    "output_reversed": Part("output", REVERSED),
}
KERNELS = {bug: f"bug_{number}" for number, bug in enumerate(BUGS)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """Every kernel, sound or not, in one module, so that each element is compiled once."""
    bugs = {KERNELS[bug]: part for bug, (part, _) in BUGS.items()}
    return artefact(tmp_path_factory.mktemp("packed"), SOUND | bugs)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_live_and_refused_by_each_check(built: Artefact, bug: str) -> None:
    """By the shipped binary on small whole numbers, by the trace, and by numbers modulo 2^64."""
    kernel, (_, story) = KERNELS[bug], BUGS[bug]
    assert changes_results(built, kernel)
    said = {m: refused(m, built, kernel) for m in ("integers", "trace", "uint64")}
    for words in said.values():
        assert re.search(rf"kernel {kernel} does not compute.*where:.*expected:.*got:", words, re.S)
    assert re.search(story, said["trace"]), said["trace"]


@pytest.mark.parametrize("bug", BUGS)
def test_validate_refuses_even_where_its_first_checks_are_blind(
    built: Artefact, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    art = only(built, KERNELS[bug])
    blind: tuple[tuple[str, object], ...] = (("check_integers", None), ("check_reals", None), ("_traced", []))
    for where in ("whole numbers, draw", "times that", "traced run", r"2\^64"):
        with pytest.raises(BuildError, match=where):
            validate(art, "exact", seed=5)
        if blind:
            (check, answer), *rest = blind
            monkeypatch.setattr(room, check, lambda *given, answer=answer: answer)
            blind = tuple(rest)


@pytest.mark.parametrize("level", ["fast", pytest.param("exact", marks=pytest.mark.sweep)])
def test_sound_text_passes_in_any_order_of_accumulation(built: Artefact, level: str) -> None:
    """Channels and taps from the last to the first, in other blocks: the trace needs no order hint."""
    record = validate(only(built, *SOUND), level, seed=1)
    for method in ("integers", "trace"):
        assert [c.kernel for c in record.of(method)] == list(SOUND)
    terms = {c.kernel: c.facts["terms"] for c in record.of("trace")}
    assert terms["output"] == terms["output_reversed"] and not record.of("rational")
    assert len(record.of("uint64")) == len(record.of("marks")) == (len(SOUND) if level == "exact" else 0)


def test_orders_differ_where_numbers_are_rounded(built: Artefact) -> None:
    """The reversed text is another one: its sums are rounded differently."""
    rng, module = np.random.default_rng(2), built.load_variant(("BF_ELEMENT_FLOAT",))
    rigs = [Rig(built, name, module, np.float32) for name in ("output", "output_reversed")]
    data = {t.name: rng.standard_normal(entries(t)) for t in rigs[0].operands}
    one, other = (rig.run(data).copy() for rig in rigs)
    assert (one != other).any() and np.allclose(one, other, atol=1e-4)


SIZED = (
    (
        "bf_pad(input, lines)\n",
        "bf_pad(input, lines)\n    if sizeof(E) == 4:\n        bf_pad(input + 1, lines)\n",
    ),
)


def test_an_element_size_branch_passes_all_but_the_gate_and_the_shipped_binary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    art = artefact(tmp_path, {"output": Part("output", SIZED)})
    with pytest.raises(BuildError, match="says 'sizeof'"):
        validate(art)
    assert not list(tmp_path.glob("*.so"))
    assert changes_results(art, "output")
    assert not refused("trace", art, "output") and not refused("uint64", art, "output")
    monkeypatch.setattr(room, "gate", lambda text: ("bf_output",))
    with pytest.raises(BuildError, match=r"does not compute its equation[\s\S]*whole numbers, draw"):
        validate(art, seed=1)


@pytest.mark.sweep
@pytest.mark.parametrize("lanes", [1, 2, 8, 16])
def test_every_lane_count_and_float64(tmp_path: Path, lanes: int) -> None:
    record = validate(artefact(tmp_path, SOUND, lanes, "float64"), "exact", seed=3)
    assert len(record.of("trace")) == len(record.of("uint64")) == len(SOUND)
