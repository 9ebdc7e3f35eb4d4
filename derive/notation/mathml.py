"""Owns MathML Core: nodes as the elements that browsers draw without a script."""

from __future__ import annotations

from html import escape

from derive.notation.functions import based
from derive.notation.symbols import GREEK, function_parts, split, symbol
from derive.notation.tree import (
    Array,
    Bracket,
    Cases,
    Compared,
    Derivative,
    Elided,
    Entry,
    Function,
    Group,
    Limit,
    Name,
    Node,
    Number,
    Over,
    Piece,
    Plus,
    Power,
    Product,
    Root,
    Total,
    Values,
)

SIGNS = {"<=": "≤", "<": "<", "==": "=", ">": ">", ">=": "≥"}
ACCENTS = {"tilde": "~", "hat": "^"}
BAR = '<mrow style="border-top:.06em solid;padding-top:.1em">'
"""Around a letter with a bar: browsers draw the accent itself too thin and too close to be seen."""
MINUS, PRIME = "\N{MINUS SIGN}", "\N{PRIME}"
THIN = '<mspace width="0.17em"/>'


def operator(sign: str) -> str:
    return f"<mo>{escape(MINUS if sign == '-' else sign)}</mo>"


def row(*parts: str) -> str:
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def written(node: Node) -> str:
    """One node as one MathML element."""
    match node:
        case Number(text):
            over, _, under = text.partition("/")
            return f"<mfrac><mn>{over}</mn><mn>{under}</mn></mfrac>" if under else f"<mn>{over}</mn>"
        case Name(text):
            return _name(text)
        case Array(tensor):
            return _letter(tensor)
        case Entry(array, indices):
            below = operator(",").join(map(written, indices))
            return _entry(array, f"<mrow>{below}</mrow>") if indices else _letter(array)
        case Derivative(of, wrt):
            over, under = (row("<mi>∂</mi>", written(part)) for part in (of, wrt))
            return f"<mfrac>{over}{under}</mfrac>"
        case Total(limits):
            return row(*(_limit(index, limit) for index, limit in limits))
        case Bracket(parts, signs):
            inside = [written(parts[0])]
            for sign, part in zip(signs, parts[1:], strict=True):
                inside += [operator(SIGNS[sign]), written(part)]
            return row(operator("["), *inside, operator("]"))
        case Product(factors):
            return _run([THIN * bool(i) + written(factor) for i, factor in enumerate(factors)])
        case Plus(terms):
            return _run([_signed(i, minus, term) for i, (minus, term) in enumerate(terms)])
        case Group(body):
            return row(operator("("), written(body), operator(")"))
        case Elided():
            return f"<mtext>… ({node.words})</mtext>"
        case Values(items):
            return row(operator("("), operator(",").join(map(written, items)), operator(")"))
        case Function(function, argument):
            (_, called), primes = function_parts(function)
            name = f"<mi>{escape(called)}</mi>"
            name = f"<msup>{name}<mo>{PRIME}</mo></msup>" if primes else name
            return row(name, operator("("), written(argument), operator(")"))
        case Over(top, bottom):
            return f"<mfrac>{written(top)}{written(bottom)}</mfrac>"
        case Power(base, exponent):
            return f"<msup>{row(written(based(base)))}{written(exponent)}</msup>"
        case Root(body):
            return f"<msqrt>{written(body)}</msqrt>"
        case Compared(left, sign, right):
            return row(written(left), operator(SIGNS[sign]), written(right))
        case Cases(rows):
            return _cases(rows)
    raise TypeError(f"{type(node).__name__} has no MathML: add it in derive/notation/mathml.py")


def _cases(rows: tuple[tuple[Node, Compared | None], ...]) -> str:
    """A brace and a row for each value."""
    body = ""
    for value, condition in rows:
        said = "<mtext>elsewhere</mtext>"
        if condition:
            said = row("<mtext>where&#xA0;</mtext>", written(condition))
        body += f"<mtr>{_cell(written(value))}{_cell(said)}</mtr>"
    return row('<mo stretchy="true">{</mo>', f"<mtable>{body}</mtable>")


def _cell(body: str) -> str:
    return f'<mtd style="text-align:left">{body}</mtd>'


def joined(line: tuple[Piece, ...]) -> str:
    """The pieces of one line."""
    parts = [(operator(p.sign) if p.sign else THIN * bool(i)) + written(p.node) for i, p in enumerate(line)]
    return _run(parts)


def _run(parts: list[str]) -> str:
    """Parts of one or more elements each as one element."""
    return f"<mrow>{''.join(parts)}</mrow>"


def math(body: str) -> str:
    """An inline formula in display style."""
    return f'<math displaystyle="true">{body}</math>'


def _signed(position: int, minus: bool, term: Node) -> str:
    return (operator("-") if minus else operator("+") if position else "") + written(term)


def _limit(index: Name, limit: Limit) -> str:
    below = row(written(index), operator("="), "<mn>0</mn>")
    return f'<munderover><mo movablelimits="false">∑</mo>{below}{written(limit.last)}</munderover>'


def _name(text: str) -> str:
    base, below, primes = split(text)
    plain = f"<mi>{escape(GREEK.get(base, base))}</mi>"
    plain = f"<msub>{plain}<mi>{escape(below)}</mi></msub>" if below else plain
    return f"<msup>{plain}<mo>{PRIME * len(primes)}</mo></msup>" if primes else plain


def _entry(tensor: str, below: str) -> str:
    """A letter with its indices below it, and its axis above them."""
    axis = symbol(tensor).axis
    if axis:
        return f"<msubsup>{_base(tensor)}{below}{_above(axis)}</msubsup>"
    return f"<msub>{_letter(tensor)}{below}</msub>"


def _letter(tensor: str) -> str:
    axis = symbol(tensor).axis
    return f"<msup>{_base(tensor)}{_above(axis)}</msup>" if axis else _base(tensor)


def _above(axis: str) -> str:
    return row(operator("("), f"<mi>{escape(axis)}</mi>", operator(")"))


def _base(tensor: str) -> str:
    """The letter with its accent, and a d in front where it is a gradient."""
    sign = symbol(tensor)
    accent = sign.accent.removeprefix("d")
    base = f"<mi>{escape(GREEK.get(sign.letter, sign.letter))}</mi>"
    if accent == "bar":
        base = f"{BAR}{base}</mrow>"
    elif accent:
        base = f'<mover accent="true">{base}<mo>{ACCENTS[accent]}</mo></mover>'
    return row('<mi mathvariant="normal">d</mi>', base) if sign.accent.startswith("d") else base
