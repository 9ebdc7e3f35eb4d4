"""Tests of the typeset nodes: building them from the language, and printing them in every notation."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.derivation import differentiate
from derive.document import render
from derive.expr import Apply, Expr, Partial, Read, Sum, Tensor, single
from derive.functions import PARAMETERS
from derive.index import Form, Index, Within, Zero, name
from derive.layers.conv import Conv2d
from derive.notation import grid, html_page, latex, latex_page, markdown_page, mathml, text, tree
from derive.notation.breaking import broken
from derive.notation.build import Builder, monomials, parsed, polynomial, rational
from derive.notation.tree import (
    Array,
    Bracket,
    Cases,
    Compared,
    Elided,
    Entry,
    Grid,
    Group,
    Name,
    Node,
    Number,
    Over,
    Piece,
    Plus,
    Power,
    Product,
    Root,
    Sign,
    Values,
    pieces,
)

SIZES = frozenset({"H", "H_out", "K", "C", "groups", "k_h", "s_h", "d_h", "p_h", "r_h"})
ROOM = Path(tree.__file__).parent

names = st.sampled_from(["o_h", "a_h", "i_h", "b_h", "g", "c", "k_h", "s_h", "d_h", "H_out"])
polynomials = st.lists(
    st.tuples(st.lists(names, max_size=3).map(sorted).map(tuple), st.integers(-4, 4)), max_size=6
).map(Form.collect)


def value(node: Node, at: dict[str, int]) -> int:
    """The meaning of a node that a form was printed as; an independent reading of the tree."""
    match node:
        case Number(digits):
            return int(digits)
        case Name(text_):
            return at[text_]
        case Product(factors):
            total = 1
            for factor in factors:
                total *= value(factor, at)
            return total
        case Plus(terms):
            return sum(-value(t, at) if minus else value(t, at) for minus, t in terms)
        case Group(body):
            return value(body, at)
    raise AssertionError(node)


@given(polynomials, st.lists(st.integers(-5, 5), min_size=10, max_size=10))
@settings(max_examples=200, deadline=None)
def test_a_printed_form_has_the_value_of_the_form(form: Form, numbers: list[int]) -> None:
    every = ["o_h", "a_h", "i_h", "b_h", "g", "c", "k_h", "s_h", "d_h", "H_out"]
    at = dict(zip(every, numbers, strict=True))
    assert value(Builder(SIZES).form(form), at) == form.evaluate(at)


@given(polynomials, st.lists(st.integers(-5, 5), min_size=10, max_size=10))
@settings(max_examples=200, deadline=None)
def test_the_two_sides_of_an_equation_differ_by_the_form(form: Form, numbers: list[int]) -> None:
    every = ["o_h", "a_h", "i_h", "b_h", "g", "c", "k_h", "s_h", "d_h", "H_out"]
    at = dict(zip(every, numbers, strict=True))
    left, right = Builder(SIZES).sides(form)
    assert abs(value(left, at) - value(right, at)) == abs(form.evaluate(at))


@given(polynomials)
@settings(max_examples=200, deadline=None)
def test_a_form_is_read_back_from_its_text(form: Form) -> None:
    assert parsed(str(form)) == form


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (-name("b_h") + name("k_h") - 1, "k_h - b_h - 1"),
        (-name("b_h") + 2, "2 - b_h"),
        (name("s_h") * name("H_out") - name("s_h") + 1, "s_h*(H_out - 1) + 1"),
        (name("p_h") - name("d_h") * name("k_h") + name("d_h"), "p_h - d_h*(k_h - 1)"),
        (name("C") * name("g") + name("c"), "C*g + c"),
        (-name("o_h"), "-o_h"),
        (Form(), "0"),
    ],
)
def test_forms_are_written_as_people_write_them(form: Form, expected: str) -> None:
    assert text.written(Builder(SIZES).form(form)) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("H_out", r"H_{\mathrm{out}}"),
        ("s_h", "s_{h}"),
        ("o_h'", "o_{h}'"),
        ("groups", r"\mathrm{groups}"),
        ("n''", "n''"),
    ],
)
def test_names_in_latex(written: str, expected: str) -> None:
    assert latex.name(written) == expected


def test_conditions_are_iverson_brackets() -> None:
    build = Builder(SIZES)
    inside = build.condition(Within(name("e_h") - name("p_h"), name("H")))
    hit = build.condition(Zero(name("z_h") - name("s_h") * name("o_h")))
    assert text.written(inside) == "[0 ≤ e_h - p_h < H]"
    assert text.written(hit) == "[z_h = s_h*o_h]"
    assert latex.written(hit) == r"[z_{h} = s_{h}\,o_{h}]"


def tensor(title: str) -> Tensor:
    """A batched image of two groups of three channels."""
    return Tensor(title, tuple(map(Form.of, (2, 2, 3, 5))), ((0,), (1, 2), (3,)))


def test_group_and_channel_are_one_index_and_hidden_axes_of_extent_1_vanish() -> None:
    read = Read(tensor("input"), (name("n"), name("g"), name("c"), name("i_h")))
    assert text.written(Builder().read(read)) == "input[n,3*g + c,i_h]"
    longer = Tensor("input", read.tensor.shape, ((1, 2), (3,)))
    hidden = Tensor("input", (Form.of(1), *read.tensor.shape[1:]), ((1, 2), (3,)))
    assert text.written(Builder().read(Read(hidden, read.index))) == "input[3*g + c,i_h]"
    assert text.written(Builder().read(Read(longer, read.index))) == "input[n,3*g + c,i_h]"


def summed(coefficient: Fraction = Fraction(1), sign: int = 1) -> Expr:
    read = Read(tensor("grad_output"), (name("n"), name("g"), name("k"), name("o_h") * sign))
    partial = Partial(Read(tensor("output"), read.index), Read(tensor("input"), read.index))
    return Expr(
        (Sum((Index("o_h", Form.of(5)),), (Zero(name("o_h") - name("z_h")),), (read, partial), coefficient),)
    )


def test_a_sum_in_both_notations() -> None:
    node = Builder().expr(summed(Fraction(-1, 2)))
    assert latex.written(node).startswith(
        r"-\tfrac{1}{2}\,\sum_{o_{h}=0}^{4}\,[z_{h} = o_{h}]\,G_{n,3\,g + k,o_{h}}"
    )
    assert text.written(node).startswith("-1/2 Σ_{o_h<5} [z_h = o_h] grad_output[n,3*g + k,o_h]*∂output[")


def test_a_changed_sign_changes_every_notation() -> None:
    for write in (latex.written, text.written, mathml.written):
        assert write(Builder().expr(summed())) != write(Builder().expr(summed(sign=-1)))
        assert write(Builder().expr(summed())) != write(Builder().expr(summed(Fraction(-1))))


def test_terms_without_a_sum_come_first() -> None:
    bias = Sum((), (), (Read(Tensor("bias", (Form.of(3),), ((0,),)), (name("k"),)),))
    both = Expr((*summed().terms, bias))
    assert text.written(Builder().expr(both)).startswith("bias[k] + Σ_{o_h<5}")


def test_words_turn_equations_of_an_index_into_formulas() -> None:
    said = Builder({"k_h"}).words("change of variable a_h = -b_h + k_h - 1: the kernel is turned (flipped)")
    assert text.inline(said) == "change of variable a_h := k_h - b_h - 1: the kernel is turned (flipped)"
    assert Sign(":=") in said
    assert Array("spread") in Builder().words("definition of spread (zeros)")


def test_entries_are_ordered_by_grad_output_not_by_sympy() -> None:
    import sympy

    g, w = sympy.IndexedBase("grad_output"), sympy.IndexedBase("weight")
    spots = list(product(range(12), range(2)))
    total = sympy.Add(*(g[0, i] * w[1 - j, i] * (-3 if i == 7 else 1) for i, j in reversed(spots)))
    found = monomials(total)
    assert [dict(factors)["grad_output"] for _, factors in found] == [(0, i) for i, _ in spots]
    assert [c for c, f in found if f[0][1] == (0, 7)] == [-3, -3]
    written = text.written(polynomial(found, 3))
    assert written == (
        "grad_output[0,0]*weight[0,0] + grad_output[0,0]*weight[1,0] + grad_output[0,1]*weight[0,1]"
        " + … (21 further terms)"
    )


def test_entries_of_other_functions_are_refused() -> None:
    import sympy

    with pytest.raises(TypeError, match=r"expanded\.py"):
        monomials(sympy.sin(sympy.Symbol("x")))
    with pytest.raises(TypeError, match=r"expanded\.py"):
        monomials(sympy.Function("exp")(sympy.Function("exp")(sympy.Symbol("x"))))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(20, 60))
@settings(deadline=None)
def test_broken_lines_lose_nothing_and_fit(widths: list[int], room: int) -> None:
    cut = [Piece(Number("7" * w)) for w in widths]
    lines = broken(cut, lambda p: len(text.written(p.node)), room, room - 10)
    assert [p for line in lines for p in line] == cut
    for line in lines[1:]:
        assert len(line) == 1 or sum(len(text.written(p.node)) for p in line) <= room - 10


def test_pieces_of_a_product_keep_the_sum_with_its_term() -> None:
    node = Builder().expr(Expr((*summed().terms, *summed(Fraction(-1)).terms)))
    assert [p.sign for p in pieces(node)] == ["", "", "", "", "-", "", "", ""]


@pytest.mark.parametrize("hostile", ["a_b", "100%", r"\input{x}", "{", "a&b#c$d^e~f", "é∂"])
def test_latex_escapes_text(hostile: str) -> None:
    written = re.sub(r"\\[\\{}%&#$_]|\\text\w+\{\}", "", latex.escaped(hostile))
    assert not re.search(r"[%&#^~]|\\input", written)
    assert written.isascii()


def every_node() -> list[Node]:
    build = Builder(SIZES)
    nodes: list[Node] = [
        build.expr(summed(Fraction(-3, 2))),
        Elided(1234),
        Array("grad_weight"),
        Number("1/2"),
    ]
    nodes += [Name("H_out'"), build.condition(Within(name("e_h"), name("H"))), Entry("loss", ())]
    return [
        *nodes,
        build.form(name("d_h") * name("k_h") - name("d_h")),
        Array("padded_input"),
        Array("flipped"),
        Array("folded_h"),
        Entry("share_h", (Name("o_h"),)),
        Entry("folded_w", (Name("i_w"), Name("n'"))),
        Values((Number("1/2"), rational(Fraction(-1, 3)), Elided(1, "further values"))),
        *(build.factor(Apply(f, entry_read("input"))) for f in PARAMETERS),
        Cases(((Name("x"), Compared(Name("x"), ">", Number("0"))), (Number("0"), None))),
        Power(Entry("grad_input", (Name("n"),)), Over(Number("1"), Name("p"))),
        Root(Plus(((False, Name("x")), (True, Number("1"))))),
    ]


def entry_read(title: str) -> Read:
    return Read(tensor(title), (name("n"), name("g"), name("c"), name("i_h")))


def test_functions_in_every_notation() -> None:
    expected = {
        "exp": (r"\exp(X_{n,3\,g + c,i_{h}})", "exp(input[n,3*g + c,i_h])"),
        "recip": (r"\frac{1}{X_{n,3\,g + c,i_{h}}}", "1/input[n,3*g + c,i_h]"),
        "rsqrt": (r"\frac{1}{\sqrt{X_{n,3\,g + c,i_{h}}}}", "1/sqrt(input[n,3*g + c,i_h])"),
        "relu_prime": (r"\operatorname{ReLU}'(X_{n,3\,g + c,i_{h}})", "relu'(input[n,3*g + c,i_h])"),
        "sigmoid": (r"\sigma(X_{n,3\,g + c,i_{h}})", "sigmoid(input[n,3*g + c,i_h])"),
        "power": ("{X_{n,3\\,g + c,i_{h}}}^{p}", "input[n,3*g + c,i_h]^p"),
        "root": ("{X_{n,3\\,g + c,i_{h}}}^{1/p}", "input[n,3*g + c,i_h]^(1/p)"),
        "power_prime": ("p\\,{X_{n,3\\,g + c,i_{h}}}^{p - 1}", "p*input[n,3*g + c,i_h]^(p - 1)"),
        "f_prime": (r"f'(X_{n,3\,g + c,i_{h}})", "f'(input[n,3*g + c,i_h])"),
    }
    for function, (tex, plain) in expected.items():
        node = Builder().factor(Apply(function, entry_read("input")))
        assert (latex.written(node), text.written(node)) == (tex, plain)
    for write in (latex.written, text.written, mathml.written):
        shown = [write(Builder().factor(Apply(f, entry_read("input")))) for f in PARAMETERS]
        assert len(set(shown)) == len(shown)


def test_inverses_are_one_fraction_and_equal_factors_a_power() -> None:
    x, g = entry_read("input"), entry_read("grad_output")
    product_ = (Apply("recip", x), g, Apply("exp", g), Apply("recip", x), Apply("rsqrt", g))
    node = Builder().expr(single(*product_))
    short = "n,3*g + c,i_h"
    assert text.written(node) == (
        f"grad_output[{short}]*exp(grad_output[{short}])/(input[{short}]^2*sqrt(grad_output[{short}]))"
    )
    assert latex.written(node).startswith(r"\frac{G_{n,3\,g + c,i_{h}}\,\exp(G")
    assert text.written(Builder().expr(single(x, x))) == f"input[{short}]^2"
    assert text.written(Builder().expr(single(Apply("recip", x)))) == f"1/input[{short}]"
    roots = Builder().expr(single(*[Apply("rsqrt", x)] * 2))
    assert text.written(roots) == f"1/(sqrt(input[{short}]))^2"
    partial = Partial(g, x)
    assert text.written(Builder().expr(single(partial, Apply("recip", x), g))).endswith(
        f"/input[{short}]*∂grad_output[{short}]/∂input[{short}]"
    )


def test_expanded_entries_with_functions() -> None:
    import sympy

    x, g, norm = sympy.IndexedBase("input"), sympy.IndexedBase("grad_output"), sympy.Symbol("norm")
    exp, recip = sympy.Function("exp"), sympy.Function("recip")
    total = g[0, 1] * exp(x[0, 1]) * recip(norm) - 2 * g[0, 0] * recip(norm) ** 2
    assert text.written(polynomial(monomials(total), 9)) == (
        "-2 grad_output[0,0]/norm^2 + grad_output[0,1]*exp(input[0,1])/norm".replace("2 grad", "2*grad")
    )


def test_mathml_is_well_formed_and_uses_core_elements_only() -> None:
    core = {"mrow", "mi", "mn", "mo", "msub", "msup", "mfrac", "munderover", "mover", "mspace", "mtext"}
    core |= {"msubsup", "msqrt", "mtable", "mtr", "mtd"}
    for node in every_node():
        root = ElementTree.fromstring(f"<math>{mathml.written(node)}</math>")
        assert {e.tag for e in root.iter()} - {"math"} <= core
        for element in root.iter():
            wanted = ARITY.get(element.tag)
            assert wanted is None or len(element) == wanted


def test_braces_of_latex_nodes_balance() -> None:
    for node in every_node():
        assert balanced(latex.written(node))
    assert not balanced(latex.written(Number("1/2"))[:-1])


def balanced(source: str) -> bool:
    bare = re.sub(r"\\[{}\\]", "", source)
    return bare.count("{") == bare.count("}")


def test_a_printer_that_does_not_know_a_node_says_where_to_add_it() -> None:
    for printer, file in (
        (latex.written, "latex.py"),
        (text.written, "text.py"),
        (mathml.written, "mathml.py"),
    ):
        with pytest.raises(TypeError, match=file):
            printer(object())  # type: ignore[arg-type]


def test_printers_see_nodes_and_never_the_language() -> None:
    allowed = {
        "derive.notation",
        "derive.notation.tree",
        "derive.notation.symbols",
        "derive.notation.breaking",
        "derive.notation.grid",
        "derive.notation.functions",
    }
    allowed |= {"derive.notation.latex", "derive.notation.latex_page", "derive.notation.mathml"}
    for file in ROOM.glob("*.py"):
        if file.name != "build.py":
            imported = {
                n.module for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.ImportFrom)
            }
            assert {m for m in imported if m and m.startswith("derive")} <= allowed, file.name


def test_width_estimates_grow_with_the_formula() -> None:
    short, long = (Plus(tuple((False, Entry("weight", (Number("1"),))) for _ in range(n))) for n in (2, 9))
    assert latex.width(short) < latex.width(long)
    assert latex.width(Bracket((Number("0"), Number("1")), ("<",))) > latex.width(Number("01"))


ARITY = {"munderover": 3, "msubsup": 3, "msub": 2, "msup": 2, "mfrac": 2, "mover": 2}


def test_mathml_elements_have_the_children_they_need() -> None:
    """A sum's upper limit H_out - 1 is one element; with three the browser drops the limits (it did)."""
    document = render(differentiate(Conv2d(2, 2, 2, stride=2, groups=2), (1, 2, 5, 4)), "html")
    for formula in (ElementTree.fromstring(m) for m in re.findall(r"<math.*?</math>", document, re.S)):
        for element in formula.iter():
            if element.tag in ARITY:
                assert len(element) == ARITY[element.tag], ElementTree.tostring(element)


def test_names_with_an_axis_have_it_above() -> None:
    assert latex.written(Entry("share_h", (Name("o_h"),))) == "m^{(h)}_{o_{h}}"
    assert latex.written(Array("folded_w")) == r"\mathrm{d}\hat{X}^{(w)}"
    assert "<msubsup>" in mathml.written(Entry("table_w", (Number("0"), Number("1"))))


def test_constants_stand_in_front_and_signs_too() -> None:
    share = Read(Tensor("share_h", (Form.of(5),), ((0,),)), (name("o_h"),))
    grad = Read(tensor("grad_output"), (name("n"), name("g"), name("k"), name("o_h")))
    for factors in ((grad, share), (share, grad)):
        written = text.written(Builder().expr(Expr((Sum((), (), factors),))))
        assert written == "share_h[o_h]*grad_output[n,3*g + k,o_h]"
    assert text.written(rational(Fraction(-1, 3))) == "-1/3"
    assert latex.written(rational(Fraction(-1, 3))) == r"-\tfrac{1}{3}"


def test_one_thing_elided_is_one() -> None:
    assert text.written(Elided(1)) == "… (1 further term)"
    assert text.written(Elided(1, "terms as before")) == "… (1 term as before)"
    assert text.written(Elided(1200, "further values")) == "… (1,200 further values)"


def test_a_term_that_fits_a_line_is_not_cut() -> None:
    cut = [
        Piece(Number("7" * n), sign)
        for n, sign in ((30, ""), (5, ""), (20, "+"), (25, ""), (70, "-"), (9, ""))
    ]
    lines = broken(cut, lambda p: len(text.written(p.node)), 60, 50)
    assert [[len(text.written(p.node)) for p in line] for line in lines] == [[30, 5], [20, 25], [70], [9]]


def table(high: int, wide: int) -> Grid:
    """Row r, column c holds the entry weight[r,c], a number where r = c."""
    rows = tuple(
        (
            Entry("output", (Number(str(r)),)),
            tuple(
                Number("1/2") if r == c else Entry("weight", (Number(str(r)), Number(str(c))))
                for c in range(wide)
            ),
        )
        for r in range(high)
    )
    return Grid(None, tuple(Entry("input", (Number(str(c)),)) for c in range(wide)), rows)


@pytest.mark.parametrize(("high", "wide"), [(1, 1), (3, 4), (5, 30), (90, 2), (45, 17)])
def test_parts_of_a_grid_have_every_cell_once(high: int, wide: int) -> None:
    whole = table(high, wide)
    parts = grid.parts(whole, lambda n: len(text.written(n)), 60, 2)
    cells = [
        (label, title, c)
        for p in parts
        for label, row in p.rows
        for title, c in zip(p.columns, row, strict=True)
    ]
    assert sorted(map(str, cells)) == sorted(
        str((label, title, c))
        for label, row in whole.rows
        for title, c in zip(whole.columns, row, strict=True)
    )
    for part in parts:
        widest = sum(2 + max(len(text.written(n)) for n in column) for column in zip(
            part.columns, *(row for _, row in part.rows), strict=True
        ))  # fmt: skip
        assert (10 + widest <= 60 or len(part.columns) == 1) and len(part.rows) <= grid.MOST_ROWS


def test_a_wide_grid_in_text_names_its_cells_once() -> None:
    drawn = text.block(table(3, 9))
    assert max(map(len, drawn.splitlines())) <= text.WIDTH
    assert drawn.count("weight[2,0]") == 1 and "1/2" in drawn
    names = dict(re.findall(r"(w\d+) := (weight\[\d,\d\])", drawn))
    assert len(names) == len(set(names.values())) == 24
    narrow = text.block(table(2, 2))
    assert ":=" not in narrow and "output[0] │         1/2  weight[0,1]" in narrow


def test_a_grid_in_every_format() -> None:
    item = table(2, 3)
    assert latex_page.block(item, "fragment").count(r"\\") == 2
    assert "begin{array}{r|ccc}" in markdown_page.block(item)
    source = html_page.block(item)
    root = ElementTree.fromstring(source)
    assert len(list(root.iter("td"))) == 6 and len(list(root.iter("th"))) == 4 + 2


def test_an_entry_wider_than_the_page_is_cut_after_a_comma() -> None:
    wide = Entry("weight", tuple(Name(f"{letter * 30}_h") for letter in "abcd"))
    lines = text.display(tree.Display(Name("x"), (tree.Link(tree.Relation.DEFINED, wide),)))
    assert len(lines) == 2 and lines[0].endswith(",") and max(map(len, lines)) <= text.WIDTH
    assert "".join(line.strip() for line in lines) == "x := " + text.written(wide)
