"""Owns the commands that need no compiler; derive and prove have files of their own.

Only click is imported at the top, so that --help and a small derivation come fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from derive.cli_derive import derive_command
from derive.cli_prove import prove_command
from derive.cli_shared import needed_shape, read_layer
from derive.errors import LayerError
from derive.graph import Graph
from derive.terminal import UsersCode, Verb, examples, one_shape


@examples("check conv2d.json", "check conv2d.json --opinion z3 --opinion isl", "check conv2d.v")
@click.command("check", cls=Verb)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--opinion",
    "opinions",
    multiple=True,
    type=click.Choice(["z3", "isl"]),
    help="Ask a solver about every side condition too; once for each.",
)
def check_command(file: Path, opinions: tuple[str, ...]) -> None:
    """Re-check a certificate FILE with the checker alone, or a Rocq script FILE.v with Rocq."""
    from derive.recheck import check_file

    if opinions and file.suffix == ".v":
        raise click.UsageError("--opinion is about certificates; a script is checked by Rocq")
    report = check_file(file)
    if not (report.ok and opinions):
        click.echo("\n".join(report.lines))
        raise SystemExit(0 if report.ok else 1)
    from derive.opinions import opinions_of_text

    found = opinions_of_text(file.read_text(encoding="utf-8"), str(file), opinions)
    click.echo("\n".join((*report.lines, *found.lines)))
    if not found.ok:
        raise SystemExit(1 if found.contradicted else 3)


@examples('verify mymodule:conv_backward "Conv2d(3, 8, 3)" --input 2,3,7,6')
@click.command("verify", cls=Verb)
@click.argument("function", metavar="MODULE:CALLABLE")
@click.argument("layer")
@needed_shape
def verify_command(function: str, layer: str, shape: Any) -> None:
    """Compare somebody's NumPy function, a backward or a forward pass, with LAYER."""
    read, shape = read_layer(layer), one_shape(shape)
    if isinstance(read, Graph):
        raise LayerError("a function is compared with one layer", where="verify", got=repr(read)[:70])
    read.operands(shape)
    target = load_callable(function)
    from derive.verification import verify

    result = verify(target, read, shape)
    click.echo(result.report if isinstance(result.report, str) else "\n".join(result.report))
    if not result.ok:
        raise SystemExit(1 if result.label == "REFUTED" else 3)


def load_callable(text: str) -> Callable[..., Any]:
    """The callable that "package.module:name" means, the current folder searched first."""
    from importlib import import_module

    module, colon, attribute = text.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        raise LayerError(
            "not a callable's place",
            where="MODULE:CALLABLE",
            expected="for example mymodule:conv_backward",
            got=text,
        )
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    with UsersCode(text):
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    return found  # type: ignore[no-any-return]


@examples('explain "ALL SIZES (certificate)"', 'explain "THIS SIZE"', "explain trace")
@click.command("explain", cls=Verb)
@click.argument("label")
def explain_command(label: str) -> None:
    """Say what a LABEL, or a check of a compiled kernel, means and what it does not."""
    from derive.explain import explain

    click.echo(explain(label))


COMMANDS = (derive_command, prove_command, check_command, verify_command, explain_command)
