"""What a kernel may compare: every way to ask what an entry is, through names and memory, is refused."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from itertools import product

import pytest

from codegen.compile import chosen_isa
from codegen.errors import BuildError
from codegen.facts import NOTHING, facts_of
from codegen.lexical import gate
from codegen.literals import by_name
from codegen.logical import logical_lines
from codegen.permitted import check_permitted
from codegen.produce import Request, module_source
from codegen.reach import ANY, NUMBER, Reach
from codegen.reaching import Reaching
from derive.spelling import parse_layer
from tests.choosing_text import FACTS, OPERANDS, PACKED, PACKS, SELECTS

HERE, BEFORE, AFTER = "        # here\n", "        # before\n", "        # after\n"
BIG = "        big = v_index(12345, 0)\n"
LOAD = "        best = v_load_part(framed + at, 4)\n"
LINE = "        v_store(framed + 16*row, line)\n"
HELD, GIVEN = "    cdef E* held = workspace + 0\n", "    v_store_part(out, one, 4)\n"
OUT = "    code = v_load(out)\n"
PLACED = "        v_store_part(codes + 4*o_h, place, 4)\n"
"""Where the texts are changed."""


def judged(
    text: str, operands: Mapping[str, tuple[str, ...]] = OPERANDS, tables: set[str] | None = None
) -> None:
    gate(text)
    check_permitted(text, operands, [], FACTS, operands, tables or set())


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def stored(line: str) -> str:
    """The text with a number stored, before anything is loaded."""
    return changed(SELECTS, HERE, f"{BIG}        {line}\n")


def loaded(line: str) -> str:
    """The text with a number kept among the codes, and its best entry loaded otherwise."""
    return changed(
        changed(SELECTS, BEFORE, f"        {line}\n"), PLACED, f"{BIG}        v_store(codes, big)\n"
    )


NAMES = {
    "an entry's value": "flag = v_same(best, code)",
    "a number as an entry": "flag = v_larger(none, code, best)",
    "an entry as a code": "flag = v_larger(best, best, further)",
    "an entry as a flag": "taken = v_choose(best, further, best)",
    "what has no name": "taken = v_choose(v_same(code, here), further, best)",
    "a flag that was an entry": "flag = v_load(input)\n        taken = v_choose(flag, further, best)",
    "a code chosen among entries": "taken = v_choose(flag, further, code)",
    "an entry chosen among codes": "place = v_choose(flag, here, best)",
    "a number chosen first": "taken = v_choose(flag, code, here)\n        flag = v_larger(none, taken, best)",
    "a number in a sum": "best = v_add(code, best)\n        flag = v_larger(none, best, further)",
    "a number of two": "best = v_rational(12345, 2)\n        flag = v_larger(none, best, further)",
    "a number without a name": "flag = v_larger(none, v_index(12345, 0), best)",
    "a number as it is declared": "flag = v_larger(none, declared, best)",
    "a flag as a number": "best = v_same(code, code)\n        flag = v_larger(none, best, further)",
    "a number that a function has": "best = v_fn_exp(v_zero())\n        flag = v_larger(none, best, further)",
    "a code less an entry": "place = v_sub(here, best)\n        flag = v_same(place, code)",
    "an entry less a code": "place = v_sub(best, here)\n        flag = v_same(place, code)",
    "an entry less an entry": "place = v_sub(best, best)\n        flag = v_larger(place, best, further)",
    "a code less a flag": "place = v_sub(here, flag)\n        flag = v_same(place, code)",
    "an entry changed": "best = v_mul(best, best)\n        flag = v_larger(none, best, further)",
    "an entry changed in place": "best = v_add(best, further)\n        flag = v_larger(none, best, further)",
}
"""What stands after the choices of the text."""
MEMORY = {
    "another pointer of the same place": stored("v_store(workspace + 32, big)"),
    "a pointer moved": stored("codes = codes + 32\n        v_store(codes, big)"),
    "an overlap by arithmetic": stored("v_store(workspace + 4 * (3 + 2) + 11 - (-1), big)"),
    "an overlap of one element": stored("v_store(workspace + 17, big)"),
    "a part of a vector": stored("v_store_part(workspace + 28, big, 5)"),
    "more than a vector has": stored("v_store_part(codes, big, at - 1)"),
    "a row apart": stored("v_store_strided(codes, big, 4, 16)"),
    "a row apart from below": stored("v_store_strided(workspace + 500, big, 4, -32)"),
    "a single element": stored("e_store(framed + 16, e_index(12345))"),
    "a block turned": stored("v_store(codes, big)\n        v_transpose(framed, codes, 16, 1)"),
    "a block turned far": stored("v_store(codes, big)\n        v_transpose(workspace + 400, codes, -24, 1)"),
    "a number that grows": stored("at = at + 8\n        v_store(codes + at, big)"),
    "a number too large for C": stored("v_store(codes + (2147483647 + 2147483647 + 34), big)"),
    "a rest": stored("v_store(codes + at * 7 % 41, big)"),
    "a rest of what is negative": stored("v_store(codes + (at - 200) % 41, big)"),
    "a quotient": stored("v_store(codes + 5 * at // 3, big)"),
    "what runs later": changed(SELECTS, PLACED, f"{PLACED}{BIG}        v_store(framed, big)\n"),
    "another part": changed(SELECTS, LINE, f"{LINE}        line = v_index(12345, 0)\n{LINE}"),
    "another thread's": changed(SELECTS, LINE, f"{LINE}        v_store(own - 96, v_index(12345, 0))\n"),
    "an argument": changed(
        SELECTS, "framed(out, input, workspace, 0,", "framed(out, input, workspace + 96, 0,"
    ).replace(LINE, f"{LINE}        v_store(workspace - 64, v_index(12345, 0))\n"),
    "another kernel's workspace": changed(SELECTS, HELD, f"{HELD}    v_store(held + 32, v_index(5, 0))\n"),
    "the result": changed(stored("v_store(out, big)"), LOAD, "        best = v_load(out + 8)\n"),
    "another's result": changed(
        changed(SELECTS, GIVEN, "    v_store(out, v_index(12345, 0))\n"), LOAD, "        best = v_load(out)\n"
    ),
    "all lanes": loaded("best = v_load(workspace + 15)"),
    "some lanes": loaded("best = v_load_span(codes + 4, 0, 4)"),
    "one element to all lanes": loaded("best = v_splat(codes)"),
    "lanes apart": loaded("best = v_load_strided(workspace + 300, -20)"),
    "an address that is not understood": loaded("best = v_load(codes + at * (at - 1) % at)"),
    "by way of the entries": loaded("best = v_load(codes)\n        best = v_held(best)"),
}


def test_the_texts_are_sound() -> None:
    """Copies in the workspace, codes beside them, parts and threads are not refused."""
    judged(SELECTS)
    judged(PACKS, PACKED)
    judged(stored("v_store(workspace + 16, big)"))
    judged(stored("v_store_strided(codes, big, 3, 2)"))
    same = "    flag = v_same(code, one)\n"
    judged(changed(SELECTS, same, f"    code = v_sub(code, one)\n{same}"))
    judged(
        changed(
            SELECTS,
            HERE,
            "        for thread in range(1, 2):\n            v_store(codes + 16*thread, none)\n" + HERE,
        )
    )


@pytest.mark.parametrize("what", NAMES)
def test_a_choice_by_an_entry_s_own_value(what: str) -> None:
    wrong = changed(SELECTS, AFTER, f"        {NAMES[what]}\n")
    wrong = changed(wrong, "    cdef V none,", "    cdef V declared = v_index(12345, 0)\n    cdef V none,")
    with pytest.raises(BuildError, match="codes compared with codes"):
        judged(wrong)


@pytest.mark.parametrize("what", MEMORY)
def test_a_number_by_way_of_memory(what: str) -> None:
    """Whatever may stand where an entry is loaded from must be copies of entries, all over the text."""
    with pytest.raises(BuildError, match="codes compared with codes"):
        judged(MEMORY[what])


def test_a_number_in_a_packed_weight() -> None:
    line = "    line = v_load(weight)\n"
    with pytest.raises(BuildError, match="codes compared with codes"):
        judged(changed(PACKS, line, "    line = v_rational(12345, 1)\n"), PACKED)
    with pytest.raises(BuildError, match="codes compared with codes"):
        judged(changed(PACKS, line, f"{line}    v_store(workspace + 16, v_index(5, 0))\n"), PACKED)
    with pytest.raises(BuildError, match="codes compared with codes"):
        judged(PACKS, PACKED, {"input"})


def test_a_choice_in_packing_alone() -> None:
    """What only the kernel that is given a packed weight says is judged with the kernel."""
    alone = changed(PACKS, "    bf_packed_output(out, workspace + 16, input, workspace)\n", "    pass\n")
    for exactly, text in product((["output"], []), (PACKS, alone)):
        with pytest.raises(BuildError, match="that its equation does not need"):
            check_permitted(text, PACKED, exactly, NOTHING, PACKED)


def test_arrays_under_other_names() -> None:
    """Codes are what Python passes as codes, not what a kernel calls so."""
    head = "cdef void bf_grad_input(E* out, const E* grad_output, const E* indices,"
    swapped = head.replace("grad_output", "x").replace("indices", "grad_output").replace("x", "indices")
    with pytest.raises(BuildError, match="arrays out, grad_output, indices, workspace"):
        judged(changed(SELECTS, head, swapped))
    call = "    bf_grad_input_part(out, grad_output, indices, workspace)\n"
    with pytest.raises(BuildError, match="codes compared with codes"):
        judged(changed(SELECTS, call, call.replace("grad_output, indices", "indices, grad_output")))
    with pytest.raises(BuildError, match="codes compared with codes"):
        judged(changed(SELECTS, call, call + call.replace("indices", "grad_output")))


def test_codes_that_were_entries() -> None:
    """What is loaded as codes was stored as codes, if it was stored."""
    kept, entry = "    code = v_load_part(held, 4)\n", "    nought = v_load(grad_output)\n"
    for told in (
        f"{entry}    v_store(workspace + 3, nought)\n{kept}",
        f"{kept}    v_store(out, code)\n{OUT}",
    ):
        with pytest.raises(BuildError, match="codes compared with codes"):
            judged(changed(SELECTS, kept, told))


LAYERS = (
    ("MaxPool2d(3, stride=2, padding=1)", (1, 2, 9, 11)),
    ("MaxPool1d(3, stride=2)", (2, 3, 40)),
    ("MinPool3d(2)", (1, 2, 4, 6, 8)),
    ("AdaptiveMaxPool2d((5, 3))", (1, 2, 7, 8)),
    ("MaxUnpool2d(2)", (1, 2, 4, 4)),
    ("LogSoftmax(-1)", (3, 40)),
    ("CrossEntropyLoss(label_smoothing=0.1)", (8, 10)),
)


@pytest.mark.parametrize(("text", "shape"), LAYERS)
def test_layers_that_select(text: str, shape: tuple[int, ...]) -> None:
    """What schedules write passes; a number in place of any one entry that is compared does not."""
    layer = parse_layer(text).told(shape)
    asked = Request(layer, shape, "float32", ("output", "input"), "fast", chosen_isa("avx2"))
    source, known, _ = module_source(asked)
    facts, order = facts_of(layer, shape), known["operand_order"]
    tables = {*layer.tables(shape), *(n for own in known["constants"].values() for n in own)}
    check_permitted(source, known["equations"], [], facts, order, tables)
    compared = list(re.finditer(r"( *)(\w+) = ([ev])_(?:larger|smaller|same)\((\w+), .*\b(\w+)\)\n", source))
    assert compared
    for found in (compared[0], compared[-1]):
        number = f"{found[1]}{found[5]} = {found[3]}_rational(12345, 2)\n"
        wrong = source[: found.start()] + number + source[found.start() :]
        with pytest.raises(BuildError, match="codes compared with codes"):
            check_permitted(wrong, known["equations"], [], facts, order, tables)


# ---------------------------------------------------------------- what is assigned, and where pointers go

LINES = """
cdef void bf_x(E* out) noexcept nogil:
    cdef E a = e_zero()
    for i in range(3):
        if i == 1:
            a = e_one(a)
        a = e_two(a)
        for j in range(2):
            b = e_use(a)
            a = e_three(a)
        a = e_four(b)
    c = e_use(a)
"""


def test_which_values_reach_a_line() -> None:
    lines = logical_lines(LINES)
    reaching, by_number = Reaching(lines), {line.number: i for i, line in enumerate(lines)}
    found = {line: {v[0] for _, v in reaching.values("a", by_number[line])} for line in (6, 7, 9, 10, 12)}
    assert found == {
        6: {"e_zero", "e_four"},
        7: {"e_zero", "e_one", "e_four"},
        9: {"e_two", "e_three"},
        10: {"e_two", "e_three"},
        12: {"e_zero", "e_one", "e_two", "e_three", "e_four"},
    }


def spans(text: str) -> dict[str, tuple[int, int]]:
    """The whole numbers of a function's loops and assignments."""
    reach = Reach(by_name(text), {})
    return {n: v[NUMBER] for n in "abcdefgh" if (v := reach.named("bf_x", n)).keys() == {NUMBER}}


def test_whole_numbers_lie_in_their_spans() -> None:
    """Sums, products, quotients and rests as C and Python have them, at every value, never too narrow."""
    rng = random.Random(7)
    for _ in range(60):
        low, high = sorted(rng.sample(range(-9, 10), 2))
        signs = [rng.choice(["+", "-", "*"]) for _ in range(3)]
        divisor, way = rng.randint(1, 6), rng.choice(["//", "%"])
        form = f"(a {signs[0]} b {signs[1]} {rng.randint(0, 9)}) {way} {divisor} {signs[2]} a"
        loops = f"    for a in range({low}, {high + 1}):\n        for b in range(0, 7, 2):\n"
        text = f"cdef void bf_x(E* out) noexcept nogil:\n{loops}            c = {form}\n"
        span = spans(text)["c"]
        whole, _, rest = form.partition(f" {way} ")
        for a, b in product(range(low, high + 1), range(0, 7, 2)):
            x = eval(whole, {"a": a, "b": b})
            cut = abs(x) // divisor * (1 if x >= 0 else -1)
            for value in (cut, x // divisor) if way == "//" else (x - cut * divisor, x % divisor):
                value = eval(f"{value} {rest.partition(' ')[2]}", {"a": a})
                assert span[0] <= value <= span[1], (form, a, b)


def test_what_is_not_understood_may_be_anything() -> None:
    for form in ("c + 1", "a // b", "a % (b - 3)", "a < b", "2147483647 + 1", "x", "range", "a b"):
        text = f"cdef void bf_x(E* out) noexcept nogil:\n    a = 5\n    b = 0\n    c = 1\n    c = {form}\n"
        reach = Reach(by_name(text), {})
        assert reach.named("bf_x", "c")[NUMBER] == ANY, form
