"""Owns the command `prove`: what is asked, what contradicts what, and what is printed and written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from derive.cli_shared import choice_option, class_named, read_class, read_layer, shape_option
from derive.errors import LayerError
from derive.graph import Graph
from derive.terminal import Verb, examples, one_shape, shapes_said, writable

if TYPE_CHECKING:
    from derive.api import ProofResult


@dataclass(frozen=True)
class Asked:
    """The options of one `prove`, as the command line gives them."""

    layer: str | None
    shape: Any
    all_sizes: bool
    choices: tuple[str, ...]
    listed: bool
    coverage: bool
    full: bool
    theorem: str | None
    form: str | None
    as_json: bool
    certificate: Path | None
    export: str | None
    output: Path | None
    factorised: bool
    jobs: int | None

    @property
    def everywhere(self) -> bool:
        """Whether a layer is asked about for all sizes."""
        return self.all_sizes or (self.layer is not None and self.shape is None)

    @property
    def title(self) -> str:
        return f"theorem {self.theorem}" if self.theorem is not None else str(self.layer).strip()


def contradictions(asked: Asked) -> Iterator[str]:
    """What is wrong with the options together, the gravest first."""
    theorem, at_size = asked.theorem is not None, asked.shape is not None
    if asked.coverage and (asked.layer or theorem or at_size or asked.all_sizes or asked.choices):
        yield "--coverage is the table of every layer and theorem; give it alone, or with --full or --json"
    if asked.full and not asked.coverage:
        yield "--full goes with --coverage"
    if theorem and (asked.layer is not None or at_size or asked.choices):
        yield "--theorem names a theorem between layers, for all sizes; no LAYER, no --input, no --choice"
    if not (theorem or asked.coverage) and asked.layer is None:
        yield "Missing argument 'LAYER'."
    if asked.all_sizes and at_size:
        yield "--input is one size and --all-sizes is every size; give one of them"
    if asked.choices and at_size:
        yield "--choice is for all sizes; at --input the layer says its choices"
    if asked.form is not None and (at_size or asked.coverage):
        yield "--format goes with --all-sizes or --theorem; `backflip derive` prints a layer's derivation"
    if asked.form is not None and asked.as_json:
        yield "--format prints the document and --json the result; give one of them"
    if asked.export is not None and (at_size or asked.coverage):
        yield "--export writes the theorems for all sizes: --all-sizes or --theorem, no --input"
    if (asked.export is None) != (asked.output is None):
        yield "--export rocq and -o FILE.v go together; --certificate FILE writes the certificate"
    if asked.output is not None and asked.output.suffix != ".v":
        yield f"--export rocq writes a file that ends in .v, not {asked.output.name}"
    if (asked.factorised or asked.jobs is not None) and not at_size:
        yield "--factorised and --jobs are about one size: LAYER --input"
    if asked.factorised and asked.jobs is not None:
        yield "--factorised takes milliseconds and no --jobs"


@examples(
    'prove "Conv2d(1, 1, 2)" --input 1,1,3,3',
    "prove Conv2d --all-sizes --certificate conv2d.json",
    "prove Conv2d --all-sizes --choice padding_mode=reflect --format text",
    "prove Conv2d --all-sizes --export rocq -o conv2d.v",
    'prove "Conv2d(1, 6, 5, padding=2)" --input 1,1,28,28 --json',
    'prove "Conv2d(64, 64, 3, padding=1)" --input 1,64,56,56 --factorised',
    "prove --theorem strided-convolution",
    "prove --coverage",
)
@click.command("prove", cls=Verb)
@click.argument("layer", required=False)
@shape_option
@click.option(
    "--all-sizes", is_flag=True, help="For every size; LAYER is a class name such as Conv2d, or a layer."
)
@choice_option
@click.option("--list", "listed", is_flag=True, help="List the theorems.")
@click.option("--coverage", is_flag=True, help="Print what is proved for all sizes, and what is not.")
@click.option("--full", is_flag=True, help="With --coverage: every combination of discrete choices.")
@click.option("--theorem", metavar="NAME", help="A theorem between layers, for all sizes; --list names them.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "latex"]),
    help="For all sizes: print definitions, chain and hypotheses.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    help="Write the certificate to FILE for `backflip check`.",
)
@click.option("--export", type=click.Choice(["rocq"]), help="With -o: write a script for a proof assistant.")
@click.option(
    "-o",
    "output",
    type=click.Path(path_type=Path),
    help="FILE.v that --export writes, its library beside it.",
)
@click.option("--factorised", is_flag=True, help="At --input: axis by axis, in milliseconds.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="At --input: processes at most. [default: as many as cores]"
)
def prove_command(**options: Any) -> None:
    """Prove the forward form and the gradients of LAYER at a shape (every entry), or for all sizes."""
    asked = Asked(**options)
    if asked.listed:
        click.echo("\n".join(theorem_list()))
        return
    if wrong := next(contradictions(asked), ""):
        raise click.UsageError(wrong)
    for place in (asked.certificate, asked.output):
        if place is not None:
            writable(place)
    if asked.coverage:
        _coverage(asked)
        return
    result = _proved(asked)
    _print(asked, result)
    _write(asked, result)
    if not result.ok:
        raise SystemExit(1)


def _coverage(asked: Asked) -> None:
    from derive.coverage import coverage, coverage_json, coverage_lines
    from derive.progress import Progress

    with Progress() as progress:
        rows = coverage(progress, asked.full)
    click.echo(coverage_json(rows) if asked.as_json else "\n".join(coverage_lines(rows)))


def _proved(asked: Asked) -> ProofResult:
    if asked.theorem is not None:
        from derive.between_proof import prove_theorem

        return prove_theorem(asked.theorem)
    from derive.api import prove
    from derive.progress import Progress

    text = str(asked.layer)
    if class_named(text) is not None and not asked.all_sizes:
        raise click.UsageError(f"{text} without arguments is a class: add --all-sizes, or spell out a layer")
    if asked.everywhere:
        kind, chosen = read_class(text, asked.choices)
        return prove(kind, **chosen)
    layer = read_layer(text)
    if isinstance(layer, Graph):
        if asked.factorised or asked.jobs is not None:
            raise click.UsageError("--factorised and --jobs are about one layer")
        return prove(layer, asked.shape)
    options = {"factorised": True} if asked.factorised else {"jobs": asked.jobs} if asked.jobs else {}
    with Progress() as progress:
        return prove(layer, one_shape(asked.shape), progress=progress, **options)


def _print(asked: Asked, result: ProofResult) -> None:
    """The document where --format asks for it, else the result."""
    if asked.form is not None:
        click.echo(_document(asked, asked.form).rstrip("\n"))
        return
    if asked.as_json:
        click.echo(result.to_json())
        return
    click.echo("\n".join(proof_lines(asked.title, asked.shape, result)))
    if asked.theorem is not None:
        click.echo(
            f"note: definitions and every step: prove --theorem {asked.theorem} --format text", err=True
        )


def _document(asked: Asked, form: str) -> str:
    """Definitions, every step and hypotheses, for all sizes."""
    if asked.theorem is not None:
        from derive.between_proof import render_theorem

        return render_theorem(asked.theorem, form)
    from derive.document import printed
    from derive.symbolic import derivations
    from derive.symbolic_document import page

    return printed(page(derivations(*read_class(str(asked.layer), asked.choices))), form)


def _write(asked: Asked, result: ProofResult) -> None:
    """The files that were asked for."""
    from derive.pdf import write_whole

    if asked.certificate is not None:
        if not result.certificate:
            raise LayerError(
                "a composition has no certificate of its own", where=asked.title, mend="prove each layer"
            )
        write_whole(asked.certificate, result.certificate_json().encode())
        click.echo(f"wrote {asked.certificate}", err=True)
    if asked.output is not None:
        for path in export_rocq(asked, asked.output):
            click.echo(f"wrote {path}", err=True)


def export_rocq(asked: Asked, path: Path) -> list[Path]:
    """Write the script of the theorems and, beside it, the library that it stands on; which files are new.

    Raises LayerError where a file of the library's name holds something else; nothing is written then.
    """
    from derive.pdf import write_whole
    from derive.rocq import between_script, library, script

    if asked.theorem is not None:
        text = between_script(asked.theorem)
    else:
        text = script(*read_class(str(asked.layer), asked.choices))
    files = {path.parent / name: body.encode() for name, body in library().items()}
    for place, body in files.items():
        if place == path or (place.exists() and (not place.is_file() or place.read_bytes() != body)):
            raise LayerError(
                "a file of the support library's name is something else",
                where=str(place),
                expected="no such file, or the library of this version",
                got="the script's own name" if place == path else "other contents",
                mend="write the script to another folder, or move that file away",
            )
    fresh = {place: body for place, body in files.items() if not place.exists()}
    for place, body in {**fresh, path: text.encode()}.items():
        write_whole(place, body)
    return [*fresh, path]


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
    from derive.between.fast import MORE
    from derive.layers import registry

    lines = ["Between layers, for all sizes: prove --theorem NAME"]
    lines += [f"  {name}: {between.says}" for name, between in theorems_between().items()]
    lines += [f"  of the same kind as the toom-cook theorems: {', '.join(MORE)}"]
    lines += ["Of layers, for all sizes: prove LAYER --all-sizes; a bare name takes the first of each choice"]
    for title, kind in registry().items():
        names = ", ".join(claim.name for claim in kind.claims(**kind.chosen({})).values())
        said = "; ".join(f"{key} {' or '.join(map(str, values))}" for key, values in kind.discrete.items())
        lines.append(f"  {title}: {names} ({said})")
    return lines
