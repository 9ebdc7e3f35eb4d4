"""Owns the passage from a layer's text, as torch.nn takes and prints it, to a layer object; literals only."""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from typing import Any, NoReturn

from derive.errors import LayerError
from derive.graph_spelling import parse_composed
from derive.layers import registry
from derive.layers.base import Layer

MAX_TEXT = 1000
"""Longest layer text that is read."""

IGNORED = ("inplace", "device", "dtype")
"""PyTorch's arguments that say where and how a layer is stored, not what it computes."""

PREFIX = ("nn", "torch.nn")

PRINTED = ({"kernel_size", "stride", "padding"}, {"size", "mode"}, {"scale_factor", "mode"})
"""What print(model) shows of a pool and of Upsample: exactly these, all by name."""

RELATED = {
    "UpsamplingNearest2d": "write Upsample(scale_factor=..., mode='nearest')",
    "UpsamplingBilinear2d": "write Upsample(scale_factor=..., mode='bilinear', align_corners=True)",
}
"""Modules of PyTorch that another one says in full."""


def parse_layer(text: str, notes: list[str] | None = None) -> Any:
    """The layer (Layer), or composition of layers (Graph), that a constructor call spells; never evaluated.

    Args:
        text: "Conv2d(1, 6, 5, padding=2)": PyTorch's names and order, or what print(layer) shows
            ("Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))"); words may go without quotes
            (padding=same); "nn." and "torch.nn." may stand before the name. A Sequential(...) also as
            print(model) shows it, and a Graph(...), see `derive.graph`.
        notes: is given one sentence for each argument that was ignored (inplace, device, dtype), and for
            each one that a printed model does not show, so that its usual value is supposed.

    Raises LayerError on anything else, with the column and the nearest right spelling.

    >>> parse_layer("nn.Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))")
    Conv2d(1, 6, (5, 5), stride=(1, 1))
    """
    if isinstance(text, str) and text.lstrip():
        found = parse_composed(text, lambda inner: parse_layer(inner, notes))
        if found is not None:
            return found
    return _parse_one(text, notes)


def _parse_one(text: str, notes: list[str] | None) -> Layer:
    source = _Source(_checked(text))
    call = source.call()
    kind = source.kind(call)
    given, ignored = source.arguments(call, kind)
    if notes is not None:
        notes += [f"{name} is ignored: it does not change what {kind.__name__} computes" for name in ignored]
        notes += _supposed(call, kind)
    try:
        return kind(**{name: source.value(node, kind, name) for name, node in given.items()})
    except LayerError as fault:
        argument = re.match(r"\w*", fault.where)
        node = given.get(argument.group()) if argument else None
        if node is None or "column" in fault.where:
            raise
        where = f"{fault.where}, {source.at(node)}"
        raise LayerError(
            fault.what, where=where, expected=fault.expected, got=fault.got, mend=fault.mend
        ) from None


def _supposed(call: ast.Call, kind: type[Layer]) -> list[str]:
    """Notes on what a text that print(model) wrote does not show."""
    given = {str(keyword.arg): keyword.value for keyword in call.keywords}
    if call.args or given.keys() not in PRINTED:
        return []
    usual = {f.name: f.default for f in fields(kind) if f.name in kind.unprinted}
    if "mode" in given and ast.unparse(given["mode"]).strip("'\"") == "nearest":
        usual.pop("align_corners", None)
    if "size" in given:
        usual.pop("recompute_scale_factor", None)
    flags = {f.name for f in fields(kind) if "bool" in str(f.type)}
    said = {name: False if value is None and name in flags else value for name, value in usual.items()}
    return [f"{name} is not in the text; assumed {name}={value}" for name, value in said.items()]


def _checked(text: str) -> str:
    if not isinstance(text, str):
        raise LayerError("not a layer text", where="layer", expected="a string", got=type(text).__name__)
    if not text.strip():
        raise LayerError(
            "no layer given", where="layer", expected='for example "Conv2d(1, 6, 5)"', got="an empty text"
        )
    if len(text) > MAX_TEXT:
        raise LayerError(
            "layer text too long",
            where="layer",
            expected=f"at most {MAX_TEXT} characters",
            got=f"{len(text):,} characters",
            mend="give one layer's constructor, nothing else",
        )
    if not (line := " ".join(text.split())).isprintable():
        raise LayerError("control characters in the layer text", where="layer", got=repr(line))
    return line


@dataclass(frozen=True)
class _Source:
    """A layer text and the reading of its syntax tree."""

    text: str

    def call(self) -> ast.Call:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(self.text, mode="eval").body
        except SyntaxError as fault:
            self.refuse(
                "not a layer constructor", fault.offset or 1, 'for example "Conv2d(1, 6, 5)"', fault.msg
            )
        except (ValueError, RecursionError, MemoryError):
            self.refuse(
                "not a layer constructor", 1, 'for example "Conv2d(1, 6, 5)"', "a text that cannot be read"
            )
        if isinstance(tree, ast.Name) and tree.id in registry():
            wanted = f"its arguments in parentheses: {_signature(registry()[tree.id])}"
            self.refuse(f"{tree.id} without arguments", tree, wanted, self.text)
        if not isinstance(tree, ast.Call):
            self.refuse("not a layer constructor", tree, 'a call such as "Conv2d(1, 6, 5)"', self.got(tree))
        return tree

    def kind(self, call: ast.Call) -> type[Layer]:
        """The layer class that the call names."""
        path = ast.unparse(call.func) if _dotted(call.func) else ""
        prefix, _, title = path.rpartition(".")
        if not path or (prefix and prefix not in PREFIX):
            self.refuse(
                "not a layer's name", call.func, "a name such as Conv2d or nn.Conv2d", self.got(call.func)
            )
        known = registry()
        if title in known:
            return known[title]
        wanted = f"one of {', '.join(known)}"
        mend = RELATED.get(title) or _nearest(title, known)
        self.refuse("unknown layer", call.func, wanted, title, mend)

    def arguments(self, call: ast.Call, kind: type[Layer]) -> tuple[dict[str, ast.expr], list[str]]:
        """The syntax of each argument by name, and the names that were ignored."""
        names = [f.name for f in fields(kind) if f.init]
        signature = _signature(kind)
        ordered = [f.name for f in fields(kind) if f.init and not f.kw_only]
        given: dict[str, ast.expr] = {}
        for position, node in enumerate(call.args):
            if isinstance(node, ast.Starred):
                self.refuse("argument list is not literal", node, signature, self.got(node))
            if position >= len(ordered):
                self.refuse("too many arguments", node, signature, f"{len(call.args)} positional arguments")
            given[ordered[position]] = node
        ignored = []
        for keyword in call.keywords:
            if keyword.arg is None:
                self.refuse(
                    "argument list is not literal", keyword.value, signature, f"**{self.got(keyword.value)}"
                )
            if keyword.arg in given:
                self.refuse(f"{keyword.arg} given twice", keyword, signature, self.got(keyword.value))
            if keyword.arg in names:
                given[keyword.arg] = keyword.value
            elif keyword.arg in IGNORED or _says_zeros(keyword):
                ignored.append(keyword.arg)
            elif keyword.arg == "padding_mode":
                self.refuse(f"{kind.__name__} pads with zeros", keyword, "zeros", self.got(keyword.value))
            else:
                mend = _nearest(keyword.arg, [*names, *IGNORED])
                self.refuse(
                    f"{kind.__name__} has no argument {keyword.arg}", keyword, signature, keyword.arg, mend
                )
        self._complete(call, kind, given)
        return given, ignored

    def _complete(self, call: ast.Call, kind: type[Layer], given: Iterable[str]) -> None:
        needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
        missing = [name for name in needed if name not in set(given)]
        if missing:
            end = len(self.text) if call.end_col_offset is None else self.column(call.end_col_offset - 1)
            self.refuse(f"{', '.join(missing)} missing", end, _signature(kind), self.text)

    def value(self, node: ast.expr, kind: type[Layer], name: str) -> Any:
        """The literal that a node is; a bare word only where the argument takes words."""
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None):
                return node.value
            case ast.Tuple() | ast.List():
                return tuple(self.value(n, kind, name) for n in node.elts)
            case ast.UnaryOp(
                op=ast.USub() | ast.UAdd(), operand=ast.Constant(value=int() | float() as number)
            ):
                if not isinstance(number, bool):
                    return -number if isinstance(node.op, ast.USub) else number
            case ast.Name(id=word) if _takes_words(kind, name):
                return word
            case ast.Name():
                self.refuse("a name where a literal belongs", node, f"{name} as a literal", node.id)
            case ast.Call():
                self.refuse("nested call", node, f"{name} as a literal", self.got(node))
        self.refuse(
            "not a literal", node, f"{name} as a number, a tuple of numbers or a word", self.got(node)
        )

    def got(self, node: ast.AST) -> str:
        """The piece of the text that a node was read from."""
        return _short(ast.get_source_segment(self.text, node) or self.text)

    def column(self, offset: int) -> int:
        """1-based column of a byte offset (the syntax tree counts bytes)."""
        return len(self.text.encode()[:offset].decode(errors="ignore")) + 1

    def at(self, where: ast.expr | ast.keyword | int) -> str:
        """The column in words, and the text with a caret under it."""
        column = where if isinstance(where, int) else self.column(where.col_offset)
        begin = max(0, column - 60)
        shown = _short(self.text[begin:], 90)
        return f"column {column}\n    {shown}\n    {' ' * (column - 1 - begin)}^"

    def refuse(
        self, what: str, where: ast.expr | ast.keyword | int, expected: str, got: str, mend: str = ""
    ) -> NoReturn:
        raise LayerError(what, where=self.at(where), expected=expected, got=_short(got), mend=mend)


def _dotted(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _dotted(node.value))


def _takes_words(kind: type[Layer], name: str) -> bool:
    """Whether the argument's annotation has str in it."""
    annotation = next(f.type for f in fields(kind) if f.name == name)
    return "str" in re.findall(r"\w+", str(annotation))


def _signature(kind: type[Layer]) -> str:
    shown = [f.name if f.default is MISSING else f"{f.name}={f.default!r}" for f in fields(kind) if f.init]
    return f"{kind.__name__}({', '.join(shown)})"


def _nearest(word: str, known: Iterable[str]) -> str:
    """Did you mean ...? Case does not count."""
    by_lower = {k.lower(): k for k in known}
    if word.lower() in by_lower:
        return f"did you mean {by_lower[word.lower()]}?"
    close = difflib.get_close_matches(word.lower(), by_lower, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(by_lower[c] for c in close)}?" if close else ""


def _short(text: str, width: int = 70) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _says_zeros(keyword: ast.keyword) -> bool:
    """padding_mode='zeros', PyTorch's default, which is what there is."""
    value = keyword.value
    said = value.id if isinstance(value, ast.Name) else getattr(value, "value", None)
    return keyword.arg == "padding_mode" and said == "zeros"
