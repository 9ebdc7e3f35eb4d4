"""Owns the commands that need no compiler: derive, prove, check, verify, explain.

Only click is imported at the top, so that --help and a small derivation come fast.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from derive.errors import LayerError
from derive.graph import Graph
from derive.terminal import Shapes, UsersCode, Verb, examples, one_shape, shapes_said, writable

if TYPE_CHECKING:
    from derive.api import ProofResult
    from derive.notation.tree import Page

INPUT_HELP = "Input shape, channels first, e.g. 1,1,3,3; of a graph's inputs x=1,3,8,8, once for each."
shape_option = click.option("--input", "shape", multiple=True, callback=Shapes(), help=INPUT_HELP)
needed_shape = click.option(
    "--input", "shape", multiple=True, callback=Shapes(), required=True, help=INPUT_HELP
)


def read_layer(text: str) -> Any:
    """parse_layer (a Layer, or a Graph), its notes on stderr."""
    from derive.spelling import parse_layer

    notes: list[str] = []
    layer = parse_layer(text, notes)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    return layer


@examples(
    'derive "Conv2d(1, 1, 2)" --input 1,1,3,3',
    'derive "Conv2d(1, 2, 3, stride=2)" --input 1,1,6,5 --wrt input --format latex',
    'derive "Conv2d(1, 6, 5, padding=2)" --input 1,1,28,28 -o lenet.tex',
    'derive "Conv1d(1, 1, 2, padding=full)" --input 1,1,5 --matrix',
    'derive "Sequential(Conv2d(1, 2, 3), ReLU())" --input 1,1,6,6',
)
@click.command("derive", cls=Verb)
@click.argument("layer")
@needed_shape
@click.option(
    "--wrt", default="all", show_default=True, help="input, weight, bias, other, a graph's 0.weight, or all."
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
def derive_command(
    layer: str,
    shape: Any,
    wrt: str,
    form: str | None,
    latex_style: str | None,
    output: Path | None,
    matrix: bool,
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
    document, said = _derived(read_layer(layer), shape, wrt, matrix)
    if output is None:
        click.echo(printed(document, form or "text", latex_style or "fragment").rstrip("\n"))
        return
    save_page(document, output, (latex_style or "") if output.suffix == ".tex" else "")
    click.echo(f"wrote {output}: {said}", err=True)


def _derived(layer: Any, shape: Any, wrt: str, matrix: bool) -> tuple[Page, str]:
    """The document asked for, and what is in it."""
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


@examples(
    'prove "Conv2d(1, 1, 2)" --input 1,1,3,3',
    "prove Conv2d --all-sizes --certificate conv2d.json",
    'prove "Conv2d(1, 6, 5, padding=2)" --input 1,1,28,28 --json',
    "prove --theorem strided-convolution",
)
@click.command("prove", cls=Verb)
@click.argument("layer", required=False)
@shape_option
@click.option(
    "--all-sizes", is_flag=True, help="For every size; LAYER is a class name such as Conv2d, or a layer."
)
@click.option("--list", "listed", is_flag=True, help="List the theorems.")
@click.option("--theorem", metavar="NAME", help="A theorem between layers, for all sizes; --list names them.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "latex"]),
    help="With --theorem: print definitions, chain and hypotheses.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    help="Write the certificate to FILE for `backflip check`.",
)
def prove_command(
    layer: str | None, shape: Any, all_sizes: bool, listed: bool, theorem: str | None,
    form: str | None, as_json: bool, certificate: Path | None,
) -> None:  # fmt: skip
    """Prove the forward form and the gradients of LAYER at a shape (every entry), or for all sizes."""
    if listed:
        click.echo("\n".join(theorem_list()))
        return
    _check_proof(layer, shape, all_sizes, theorem, form, as_json)
    if certificate is not None:
        writable(certificate)
    if theorem is not None:
        from derive.between_proof import prove_theorem, render_theorem

        result = prove_theorem(theorem)
        title = f"theorem {theorem}"
    else:
        title = str(layer)
        result = _proof(title, shape, all_sizes)
    if theorem is not None and form is not None:
        click.echo(render_theorem(theorem, form).rstrip("\n"))
    else:
        click.echo(result.to_json() if as_json else "\n".join(proof_lines(title, shape, result)))
        if theorem is not None and not as_json:
            click.echo(f"note: definitions and every step: prove --theorem {theorem} --format text", err=True)
    if certificate is not None:
        if not result.certificate:
            raise LayerError(
                "a composition has no certificate of its own", where=title, mend="prove each layer"
            )
        from derive.pdf import write_whole

        write_whole(certificate, result.certificate_json().encode())
        click.echo(f"wrote {certificate}", err=True)
    if not result.ok:
        raise SystemExit(1)


def _check_proof(
    layer: str | None, shape: Any, all_sizes: bool, theorem: str | None,
    form: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Options of prove that contradict each other."""
    if theorem is not None and (layer is not None or shape is not None):
        raise click.UsageError(
            "--theorem names a theorem between layers, for all sizes; no LAYER, no --input"
        )
    if theorem is None and form is not None:
        raise click.UsageError("--format goes with --theorem; `backflip derive` prints a layer's derivation")
    if form is not None and as_json:
        raise click.UsageError("--format prints the document and --json the result; give one of them")
    if theorem is None and layer is None:
        raise click.UsageError("Missing argument 'LAYER'.")
    if all_sizes and shape:
        raise click.UsageError("--input is one size and --all-sizes is every size; give one of them")


def _proof(text: str, shape: Any, all_sizes: bool) -> ProofResult:
    from derive.api import prove
    from derive.layers import registry
    from derive.progress import Progress

    if (kind := registry().get(text.strip())) is not None:
        if not all_sizes:
            raise click.UsageError(
                f"{text} without arguments is a class: add --all-sizes, or spell out a layer"
            )
        return prove(kind)
    layer = read_layer(text)
    if isinstance(layer, Graph) and all_sizes:
        raise click.UsageError(
            "a graph is proved at given shapes: --input; its layers with --all-sizes, each"
        )
    with Progress() as progress:
        return prove(layer, shape if isinstance(layer, Graph) else one_shape(shape), progress=progress)


def proof_lines(title: str, shape: Any, result: ProofResult) -> list[str]:
    """A proof for the reader: the label, what was done, what is supposed."""
    where = f" at {shapes_said(shape)}" if shape else ""
    lines = [f"{title.strip()}{where}: {result.label}", *(f"  {line}" for line in result.report)]
    lines += ["theorem:", *(f"  {line}" for line in result.theorem.splitlines())]
    lines += ["supposing:", *(f"  {line}" for line in result.assumptions)]
    return [*lines, f"certificate sha256 {result.certificate_digest}"]


def theorem_list() -> list[str]:
    """The theorems between layers, each with what it says; then a line a layer: its claims and choices."""
    from derive.between import theorems_between
    from derive.layers import registry

    lines = ["Between layers, for all sizes: prove --theorem NAME"]
    lines += [f"  {name}: {between.says}" for name, between in theorems_between().items()]
    lines += ["Of layers, for all sizes: prove LAYER --all-sizes; a bare name takes the first of each choice"]
    for title, kind in registry().items():
        names = ", ".join(claim.name for claim in kind.claims(**kind.chosen({})).values())
        said = "; ".join(f"{key} {' or '.join(map(str, values))}" for key, values in kind.discrete.items())
        lines.append(f"  {title}: {names} ({said})")
    return lines


@examples("check conv2d.json")
@click.command("check", cls=Verb)
@click.argument("file", type=click.Path(path_type=Path))
def check_command(file: Path) -> None:
    """Replay a certificate FILE with the checker alone: no rules, no search, no solver."""
    from derive.api import check_file

    report = check_file(file)
    click.echo("\n".join(report.lines))
    if not report.ok:
        raise SystemExit(1)


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


@examples('explain "ALL SIZES (certificate)"', 'explain "THIS SIZE"')
@click.command("explain", cls=Verb)
@click.argument("label")
def explain_command(label: str) -> None:
    """Say what a proof LABEL means and what it does not."""
    from derive.explain import explain

    click.echo(explain(label))


COMMANDS = (derive_command, prove_command, check_command, verify_command, explain_command)
