"""Owns the passage from the text of a Sequential or Graph to the object; literals only, never evaluated.

A Sequential is read as it is typed, Sequential(Conv2d(1, 6, 5), ReLU()), and as print(model) shows it,
Sequential( (0): Conv2d(1, 6, ...) (1): ReLU() ); a Graph as it is typed in Python.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from derive.errors import LayerError
from derive.graph import Graph, Sequential

MAX_TEXT = 50_000
"""Longest text of a composition that is read."""

COMPOSED = re.compile(r"\s*(?:(?:torch\.)?nn\.)?(Sequential|Graph)\s*\(")
PRINTED = re.compile(r"\s*(?:(?:torch\.)?nn\.)?(\w+)\(\s*\((\w+)\):\s")
NAMED = re.compile(r"\s*\((\w+)\):\s*")
ENTRIES = ("inputs", "nodes", "outputs")

Inner = Callable[[str], Any]
"""The reader of a layer's text."""


def parse_composed(text: str, layer: Inner) -> Graph | None:
    """The composition that a text spells, or None where it is the text of something else.

    Args:
        layer: reads the text of one layer.

    Raises LayerError on a composition that cannot be read; of a layer inside it, its place is named.
    """
    if len(text) > MAX_TEXT:
        _refuse("text too long", f"at most {MAX_TEXT:,} characters", f"{len(text):,}", "the whole text")
    line = " ".join(text.split())
    if printed := PRINTED.match(line):
        return _printed(line, printed[1], layer)
    if not (kind := COMPOSED.match(line)):
        return None
    call = _call(line)
    return _sequential(line, call, layer) if kind[1] == "Sequential" else _graph(line, call, layer)


def _call(line: str) -> ast.Call:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(line.strip(), mode="eval").body
    except SyntaxError as fault:
        _refuse("not a composition of layers", "Sequential(Conv2d(1, 6, 5), ReLU())", fault.msg, line)
    except (ValueError, RecursionError, MemoryError):
        _refuse("not a composition of layers", "Sequential(...)", "a text that cannot be read", line)
    if not isinstance(tree, ast.Call):
        _refuse("not a composition of layers", "one call, Sequential(...) or Graph(...)", line, line)
    return tree


def _sequential(line: str, call: ast.Call, layer: Inner) -> Sequential:
    """The layers of a call, in order."""
    if call.keywords:
        _refuse("Sequential has no named arguments", "its layers in order", str(call.keywords[0].arg), line)
    return Sequential(*(_inner(line, node, f"layer {i}", layer) for i, node in enumerate(call.args)))


def _graph(line: str, call: ast.Call, layer: Inner) -> Graph:
    """inputs, nodes and outputs, each a literal but for the layers."""
    given: dict[str, ast.expr] = dict(zip(ENTRIES, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg not in ENTRIES or keyword.arg in given:
            _refuse("Graph has no such argument", ", ".join(ENTRIES), str(keyword.arg), line)
        given[keyword.arg] = keyword.value
    if missing := [name for name in ENTRIES[1:] if name not in given]:
        _refuse(f"{', '.join(missing)} missing", f"Graph({', '.join(ENTRIES)})", _short(line), line)
    nodes = given["nodes"]
    if not isinstance(nodes, ast.Dict):
        _refuse("nodes are not a dict", "{'a': (Conv2d(3, 3, 3), 'x')}", _piece(line, nodes), line)
    made: dict[str, tuple[Any, ...]] = {}
    for key, value in zip(nodes.keys, nodes.values, strict=True):
        name = _word(line, key)
        if name in made:
            _refuse("one name for two nodes", "names that differ", name, line)
        if not isinstance(value, (ast.Tuple, ast.List)) or not value.elts:
            _refuse("not a node", "(layer, name of the tensor it reads, ...)", _piece(line, value), line)
        first, *rest = value.elts
        what: Any = (
            _word(line, first)
            if isinstance(first, ast.Constant)
            else _inner(line, first, f"node {name}", layer)
        )
        made[name] = (what, *(_word(line, n) for n in rest))
    return Graph(_words(line, given.get("inputs")), made, _words(line, given["outputs"]))


def _words(line: str, node: ast.expr | None) -> tuple[str, ...]:
    if node is None:
        return ("x",)
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(_word(line, n) for n in node.elts)
    return (_word(line, node),)


def _word(line: str, node: ast.expr | None) -> str:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        _refuse("not a name", "a name in quotes", "**" if node is None else _piece(line, node), line)
    return node.value


def _inner(line: str, node: ast.expr, where: str, layer: Inner) -> Any:
    """A layer, or a Sequential, inside."""
    if not isinstance(node, ast.Call):
        _refuse("not a layer", "a call such as Conv2d(1, 6, 5)", _piece(line, node), where)
    return _read(_piece(line, node, 0), where, layer)


def _read(text: str, where: str, layer: Inner) -> Any:
    try:
        return layer(text)
    except LayerError as fault:
        raise LayerError(
            fault.what,
            where=f"{where}: {fault.where}",
            expected=fault.expected,
            got=fault.got,
            mend=fault.mend,
        ) from None


def _printed(line: str, kind: str, layer: Inner) -> Sequential:
    """What print(model) shows: (name): layer, one after another."""
    if kind != "Sequential":
        _refuse(
            "a module whose layers may run in any order",
            "Sequential, whose layers run one after another",
            kind,
            line,
            "write it as a Graph, which says what each layer reads",
        )
    begin, stop = line.index("(") + 1, len(line.rstrip()) - 1
    if line.rstrip()[-1] != ")":
        _refuse("a text that ends too soon", "a closing parenthesis", _short(line[-30:]), line)
    found: list[tuple[str, Any]] = []
    while begin < stop:
        name = NAMED.match(line, begin)
        if name is None:
            _refuse("not a layer", "(name): layer", _short(line[begin:stop]), line)
        end = _end(line, name.end(), stop)
        found.append((name[1], _read(line[name.end() : end].strip(), f"layer {name[1]}", layer)))
        begin = end + len(line[end:stop]) - len(line[end:stop].lstrip())
    return Sequential.named(found)


def _end(line: str, begin: int, stop: int) -> int:
    """Where the call that begins here ends."""
    depth = 0
    for place in range(begin, stop):
        depth += {"(": 1, ")": -1}.get(line[place], 0)
        if line[place] == ")" and depth <= 0:
            return place + 1
    _refuse("a text that ends too soon", "a closing parenthesis", _short(line[begin:stop]), line)


def _piece(line: str, node: ast.AST, width: int = 70) -> str:
    text = ast.get_source_segment(line.strip(), node) or line
    return _short(text, width) if width else text


def _short(text: str, width: int = 70) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _refuse(what: str, expected: str, got: str, where: str, mend: str = "") -> NoReturn:
    raise LayerError(what, where=_short(where), expected=expected, got=_short(got), mend=mend)
