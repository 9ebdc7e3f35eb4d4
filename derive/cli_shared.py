"""Owns what several commands ask for: a layer, a class with its choices, an input shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from derive.errors import LayerError
from derive.graph import Graph
from derive.terminal import Shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from derive.layers.base import Layer

INPUT_HELP = "Input shape, channels first, e.g. 1,1,3,3; of a graph's inputs x=1,3,8,8, once for each."
shape_option = click.option("--input", "shape", multiple=True, callback=Shapes(), help=INPUT_HELP)
needed_shape = click.option(
    "--input", "shape", multiple=True, callback=Shapes(), required=True, help=INPUT_HELP
)
choice_option = click.option(
    "--choice",
    "choices",
    multiple=True,
    metavar="KEY=VALUE",
    help="With a class for all sizes: a discrete choice, e.g. bias=False or rank=3, once for each.",
)


def read_layer(text: str) -> Any:
    """parse_layer (a Layer, or a Graph), its notes on stderr."""
    from derive.spelling import parse_layer

    notes: list[str] = []
    layer = parse_layer(text, notes)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    return layer


def class_named(text: str) -> type[Layer] | None:
    """The layer class of that bare name, or None."""
    from derive.layers import registry

    return registry().get(text.strip())


def read_class(text: str, choices: Sequence[str]) -> tuple[type[Layer], dict[str, Any]]:
    """The class and the discrete choices that a class name with --choice, or a layer, stands for.

    Raises UsageError where a layer comes with --choice, or is a graph; LayerError on an unknown choice.
    """
    kind = class_named(text)
    if kind is not None:
        return kind, read_choices(kind, choices)
    if choices:
        raise click.UsageError("--choice goes with the name of a class, such as Conv2d; a layer has its own")
    layer = read_layer(text)
    if isinstance(layer, Graph):
        raise click.UsageError(
            "a graph is proved and derived at given shapes: --input; its layers with --all-sizes, each"
        )
    return type(layer), layer.own_choices()


def read_choices(kind: type[Layer], texts: Sequence[str]) -> dict[str, Any]:
    """The values that KEY=VALUE texts name, as `kind.discrete` has them; LayerError on any other."""
    found: dict[str, Any] = {}
    for text in texts:
        key, _, said = (part.strip() for part in text.partition("="))
        values = {str(value): value for value in kind.discrete.get(key, ())}
        if said not in values or key in found:
            allowed = "; ".join(f"{k}={' or '.join(map(str, v))}" for k, v in kind.discrete.items())
            raise LayerError(
                "a choice given twice" if key in found else "no such discrete choice",
                where=f"--choice, {kind.__name__}",
                expected=allowed or "none: this class has no discrete choices",
                got=text,
            )
        found[key] = values[said]
    return found
