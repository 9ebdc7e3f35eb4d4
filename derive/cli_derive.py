"""Owns the command `derive`: a derivation at a shape, or for all sizes, printed or written to a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from derive.cli_shared import choice_option, class_named, read_class, read_layer, shape_option
from derive.graph import Graph
from derive.terminal import Verb, examples, one_shape, writable

if TYPE_CHECKING:
    from derive.notation.tree import Page


@examples(
    'derive "Conv2d(1, 1, 2)" --input 1,1,3,3',
    'derive "Conv2d(1, 2, 3, stride=2)" --input 1,1,6,5 --wrt input --format latex',
    'derive "Conv2d(1, 6, 5, padding=2)" --input 1,1,28,28 -o lenet.tex',
    "derive Conv2d --choice padding_mode=reflect --wrt input",
    'derive "Conv1d(1, 1, 2, padding=full)" --input 1,1,5 --matrix',
    'derive "Sequential(Conv2d(1, 2, 3), ReLU())" --input 1,1,6,6',
    'derive "Conv2d(64, 64, 3, padding=1)" --input 1,64,56,56 --fast "F(2,3)"',
    'derive "Conv1d(64, 64, 9, padding=4)" --input 1,64,997 --fast "F(4,3)xF(3,3)"',
)
@click.command("derive", cls=Verb)
@click.argument("layer")
@shape_option
@click.option(
    "--all-sizes",
    is_flag=True,
    help="With symbols for every size; the name of a class without --input means that.",
)
@choice_option
@click.option(
    "--wrt",
    default="all",
    show_default=True,
    help="input, weight, bias, other, a graph's 0.weight, for all sizes also output, or all.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "latex", "html", "md"]),
    help="What to print. [default: text]",
)
@click.option(
    "--latex-style",
    type=click.Choice(["fragment", "standalone"]),
    help="[default: fragment; -o: standalone]",
)
@click.option(
    "-o",
    "output",
    type=click.Path(path_type=Path),
    help="Write FILE.tex, .pdf, .html, .md or .txt instead of printing.",
)
@click.option("--matrix", is_flag=True, help="Print the layer as a matrix on its input instead.")
@click.option(
    "--fast",
    metavar="FORM",
    help="Print a convolution's fast (Winograd) form instead: F(2,3), F(2,3)xF(4,3), or all. One axis may be "
    "folded: 9 taps by F(4,3)xF(3,3), or by F(2,3)x3.",
)
def derive_command(
    layer: str,
    shape: Any,
    all_sizes: bool,
    choices: tuple[str, ...],
    wrt: str,
    form: str | None,
    latex_style: str | None,
    output: Path | None,
    matrix: bool,
    fast: str | None,
) -> None:
    """Show how the gradients of LAYER follow from its definition, every step checked."""
    from derive.document import SUFFIXES, printed, save_page

    if output is not None:
        writable(output)
        written = SUFFIXES.get(output.suffix, (form, ""))[0]
        if form not in (None, written):
            raise click.UsageError(f"-o {output.name} writes {written}; --format {form} contradicts it")
    if latex_style and (form if output is None else written) != "latex":
        raise click.UsageError("--latex-style goes with --format latex or -o FILE.tex")
    if fast is not None:
        document, said = _fast(layer, shape, wrt, fast, all_sizes or matrix or bool(choices))
    elif _everywhere(layer, shape, all_sizes, choices, matrix):
        document, said = _for_all_sizes(layer, choices, wrt)
    else:
        document, said = _derived(read_layer(layer), shape, wrt, matrix)
    if output is None:
        click.echo(printed(document, form or "text", latex_style or "fragment").rstrip("\n"))
        return
    save_page(document, output, (latex_style or "") if output.suffix == ".tex" else "")
    click.echo(f"wrote {output}: {said}", err=True)


def _fast(layer: str, shape: Any, wrt: str, form: str, other: bool) -> tuple[Page, str]:
    """The document of a layer's fast form, or of all that were chosen, and what is in it."""
    if other or shape is None:
        raise click.UsageError("--fast is about a layer at one size: LAYER --input, no other document")
    from derive.fast_document import page
    from derive.fast_form import OPERANDS
    from derive.fast_spelling import fast as fast_form
    from derive.fast_spelling import of_operands, usual

    read = read_layer(layer)
    if isinstance(read, Graph):
        raise click.UsageError("--fast is about one layer")
    wanted = OPERANDS if wrt == "all" else tuple(o for o in OPERANDS if o == wrt)
    if not wanted:
        raise click.UsageError(f"--fast has {', '.join(OPERANDS)}; --wrt {wrt} is none of them")
    at = one_shape(shape)
    found = usual(read, at) if form == "all" else [fast_form(read, at, form)]
    forms = of_operands(found, wanted)
    return page(forms, wanted), ", ".join(f.name for f in forms)


def _everywhere(layer: str, shape: Any, all_sizes: bool, choices: Sequence[str], matrix: bool) -> bool:
    """Whether the derivation for all sizes is asked for; UsageError where options contradict each other."""
    if all_sizes and shape:
        raise click.UsageError("--input is one size and --all-sizes is every size; give one of them")
    if choices and shape:
        raise click.UsageError("--choice is for all sizes; at --input the layer says its choices")
    everywhere = all_sizes or (shape is None and class_named(layer) is not None)
    if everywhere and matrix:
        raise click.UsageError("--matrix is about one size: --input")
    if not (everywhere or shape):
        raise click.UsageError("Missing option '--input'; or --all-sizes for every size.")
    return everywhere


def _for_all_sizes(layer: str, choices: Sequence[str], wrt: str) -> tuple[Page, str]:
    """The document with symbols for the sizes, and what is in it."""
    kind, chosen = read_class(layer, choices)
    from derive.symbolic import derivations
    from derive.symbolic_document import page

    found = derivations(kind, chosen, wrt)
    return page(found), f"{', '.join(found)}; {next(iter(found.values())).label}"


def _derived(layer: Any, shape: Any, wrt: str, matrix: bool) -> tuple[Page, str]:
    """The document at a shape, and what is in it."""
    if isinstance(layer, Graph):
        if matrix:
            raise click.UsageError("--matrix is about one layer")
        from derive.graph_derivation import differentiate_graph
        from derive.graph_document import page as graph_page

        found = differentiate_graph(layer, shape, wrt)
        return graph_page(found), f"{', '.join(found)}; {next(iter(found.values())).label}"
    shape = one_shape(shape)
    if matrix:
        if wrt not in ("all", "input"):
            raise click.UsageError(f"--matrix is about the input; --wrt {wrt} contradicts it")
        from derive.matrix import matrix_form

        form = matrix_form(layer, shape)
        return form.page(), "the layer as a matrix; {} x {} entries compared exactly".format(
            *form.matrix.shape
        )
    from derive.api import differentiate
    from derive.document import page

    derivations = differentiate(layer, shape, wrt)
    return page(derivations), f"{', '.join(derivations)}; {next(iter(derivations.values())).label}"
