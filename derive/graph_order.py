"""Owns the order in which the nodes of a graph run, and the refusal of graphs that have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from derive.errors import LayerError

if TYPE_CHECKING:
    from derive.graph import Node


PLACES = ".indices"
"""What a pooling node "p" with return_indices gives besides its output: "p.indices"."""


def in_order(nodes: Mapping[str, Node], inputs: Sequence[str], outputs: Sequence[str]) -> tuple[Node, ...]:
    """The nodes so that each comes after those it reads; of several, the one given first.

    Raises LayerError on a cycle, an output that no node gives, a node or an input that no output needs.
    """
    for name in outputs:
        if name not in nodes:
            got = f"{name}, an input" if name in inputs else name
            raise LayerError("no such output", where="outputs", expected=", ".join(nodes), got=got)
    ready, pending, found = set(inputs), list(nodes.values()), list["Node"]()
    while pending:
        node = next((n for n in pending if ready.issuperset(n.arguments)), None)
        if node is None:
            raise _cycle(nodes, pending[0].name, ready)
        found.append(node)
        pending.remove(node)
        ready |= {node.name, f"{node.name}{PLACES}"}
    _refuse_unused(nodes, inputs, outputs)
    return tuple(found)


def _cycle(nodes: Mapping[str, Node], start: str, ready: set[str]) -> LayerError:
    """Follow what is not ready until a node comes again, and say the way round."""
    way = [start]
    while way[-1] not in way[:-1]:
        way.append(next(a for a in nodes[way[-1]].arguments if a not in ready).removesuffix(PLACES))
    circle = way[way.index(way[-1]) :]
    return LayerError(
        "the nodes form a cycle",
        where=f"node {circle[0]}",
        expected="every node reads inputs and nodes that do not need it",
        got=" reads ".join(circle),
    )


def _refuse_unused(nodes: Mapping[str, Node], inputs: Sequence[str], outputs: Sequence[str]) -> None:
    needed, pending = set(outputs), list(outputs)
    while pending:
        name = pending.pop()
        arguments = nodes[name].arguments if name in nodes else ()
        fresh = {a.removesuffix(PLACES) if a not in nodes else a for a in arguments} - needed
        needed |= fresh
        pending += sorted(fresh)
    for kind, names in (("node", nodes), ("input", inputs)):
        for name in names:
            if name not in needed:
                raise LayerError(
                    f"{'a node' if kind == 'node' else 'an input'} that no output needs",
                    where=f"{kind} {name}",
                    expected="every node and input on a way to an output",
                    got=f"outputs {', '.join(outputs)}",
                    mend=f"leave {name} out" + (", or name it in outputs" if kind == "node" else ""),
                )


def resolved(shared: Mapping[str, str], nodes: Mapping[str, Any]) -> dict[str, str]:
    """The node whose layer each sharing node means in the end. Raises LayerError where there is none."""
    found = {}
    for name in shared:
        way = [name]
        while way[-1] in shared:
            following = shared[way[-1]]
            if following not in nodes or following in way:
                raise LayerError(
                    "no such node to share the weights of",
                    where=f"node {name}",
                    expected="the name of a node that has a layer",
                    got=repr(following),
                )
            way.append(following)
        found[name] = way[-1]
    return found
