"""Owns how functions of entries stand in a product: fractions for inverses, powers for equal factors.

The inverse of an entry becomes the denominator of what stands beside it, so that a probability reads as one
fraction; x^p and its derivative are written out, everything else is a function at its argument.
"""

from __future__ import annotations

from collections.abc import Sequence

from derive.notation.tree import (
    Entry,
    Function,
    Group,
    Name,
    Node,
    Number,
    Over,
    Plus,
    Power,
    Product,
    Root,
)

EXPONENT = Name("p")
"""The letter of norm_type."""

INVERSES = ("recip", "rsqrt")
Named = tuple[str, Node]
"""A factor: the function applied ("" for none) and its argument."""


def applied(function: str, argument: Node) -> Node:
    """One function at one argument, standing alone."""
    inverse = Over(Number("1"), EXPONENT)
    less = ((True, Number("1")),)
    match function:
        case "":
            return argument
        case "recip":
            return Over(Number("1"), argument)
        case "rsqrt":
            return Over(Number("1"), Root(argument))
        case "power":
            return Power(argument, EXPONENT)
        case "root":
            return Power(argument, inverse)
        case "power_prime":
            return Product((EXPONENT, Power(argument, Plus(((False, EXPONENT), *less)))))
        case "root_prime":
            return Product((inverse, Power(argument, Plus(((False, inverse), *less)))))
    return Function(function, argument)


def multiplied(factors: Sequence[Named]) -> list[Node]:
    """The factors in order, equal ones as powers; inverses as the denominator under the others."""
    counts: dict[Named, int] = {}
    for factor in factors:
        counts[factor] = counts.get(factor, 0) + 1
    above = [_powered(applied(f, x), n) for (f, x), n in counts.items() if f not in INVERSES]
    below = [_inverted(f, x, n) for (f, x), n in counts.items() if f in INVERSES]
    if not below:
        return above
    return [Over(_joined(above) if above else Number("1"), _joined(below))]


def _inverted(function: str, argument: Node, count: int) -> Node:
    """What stands below: a power of the argument, or of its root: x^(3/2); even powers of a root as such."""
    if function != "rsqrt":
        return _powered(argument, count)
    if count == 1 or count % 2 == 0:
        return _powered(Root(argument), count)
    return Power(argument, Over(Number(str(count)), Number("2")))


def _powered(node: Node, count: int) -> Node:
    return node if count == 1 else Power(node, Number(str(count)))


def _joined(nodes: Sequence[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Product(tuple(nodes))


def based(node: Node) -> Node:
    """What a power is of, in parentheses where it would be read otherwise."""
    plain = isinstance(node, Name | Function | Group) or (isinstance(node, Number) and "/" not in node.text)
    return node if plain or isinstance(node, Entry) else Group(node)
