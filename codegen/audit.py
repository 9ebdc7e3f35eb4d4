"""Owns the audit of a built kernel: what takes too long or too many tools for every build.

`python -m codegen.audit "LAYER" --input SHAPE` takes the kernel from the build cache (or builds it), writes
its text again from the theorem, makes C and binary again from that and compares bytes; runs everything that
"exact" validation runs on the stored binary itself; and runs the C file under sanitizers
(`codegen.audit_memory`).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import click

from codegen import cache, compile
from codegen.artefact import SHIPPED_ELEMENT
from codegen.audit_memory import check_memory
from codegen.cache import Entry, refused
from codegen.compile import chosen_isa
from codegen.errors import BuildError
from codegen.options import TIERS, check_options
from codegen.produce import Request, module_source, prepared, produce
from codegen.record import Check, ValidationRecord
from codegen.variants import Variants
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.terminal import Exits, Shapes, Verb, one_shape


def audit(request: Request) -> ValidationRecord:
    """Everything that can be checked of the kernel that the build cache has for a request, as one record.

    It is built first where the cache has none.

    Raises:
        BuildError: a check refused; says which file, kernel and entry.
        LimitError: the definition is too large to trace.
    """
    from codegen.validate import validate

    start = time.perf_counter()
    entry = cache.entry_in(produce(request).path)
    text, known, _ = module_source(request)
    with tempfile.TemporaryDirectory(prefix="backflip-") as work:
        artefact, variants = prepared(request, text, known, Path(work))
        first = check_rebuilt(entry, text, variants, request.dtype)
        record = validate(replace(artefact, load_variant=stored(entry, variants, request.dtype)), "exact")
        checks = (first, *record.checks, *check_memory(artefact, request.isa))
    if record.shipped != entry.record["files"]["module.so"]:
        raise refused(entry.path / "module.so", "the binary that was audited", "another meanwhile")
    return replace(record, level="audit", checks=checks, seconds=round(time.perf_counter() - start, 3))


def check_rebuilt(entry: Entry, text: str, variants: Variants, dtype: str) -> Check:
    """The text, C file and binary of an entry against those made anew; raises BuildError where one differs.

    Args:
        text: of the module, written anew from the theorem.
        variants: of the C file that Cython made of it.
    """
    shipped = (SHIPPED_ELEMENT[dtype],)
    variants.make(shipped, variants.path(shipped))
    again = {"kernel.pyx": text.encode(), "kernel.c": variants.c_path.read_bytes()}
    again["module.so"] = variants.path(shipped).read_bytes()
    for title, made in again.items():
        kept = (entry.path / title).read_bytes()
        if kept != made:
            spot = next((i for i, (a, b) in enumerate(zip(kept, made, strict=False)) if a != b), None)
            raise BuildError(
                f"{title} is not what its source gives when it is built again",
                where=str(entry.path / title),
                expected=f"the same {len(made):,} bytes",
                got=f"{len(kept):,} bytes" + ("" if spot is None else f", another at {spot:,}"),
                mend="clear the build cache and build again, with one compiler and one Cython",
            )
    sizes = ", ".join(f"{title} {len(made):,}" for title, made in again.items())
    return Check(
        "text",
        "rebuild",
        "the text written again from the theorem, the C file that Cython makes of it and the binary that gcc "
        f"makes of that are the stored ones, byte for byte ({sizes})",
        "deterministic, of this compiler, Cython and Python; what they make of the text is trusted",
        {title: len(made) for title, made in again.items()},
    )


def stored(entry: Entry, variants: Variants, dtype: str) -> Callable[[tuple[str, ...]], ModuleType]:
    """Variants as they are asked for: the shipped one is the stored file, the others are compiled here."""

    def load(given: tuple[str, ...]) -> ModuleType:
        if given == (SHIPPED_ELEMENT[dtype],):
            return compile.load(variants.name, entry.path / "module.so")
        return variants(given)

    return load


def request_of(
    layer: Layer,
    shape: tuple[int, ...],
    dtype: str,
    isa: str,
    validate: str,
    threads: int = 1,
    accuracy: str = "strict",
) -> Request:
    """What `codegen.build` asks for with all gradients and no tuning."""
    from codegen.call import asked_for

    check_options(layer, dtype=dtype, validate=validate, accuracy=accuracy, threads=threads)
    layer = layer.told(shape)
    return Request(layer, shape, dtype, asked_for(layer, shape), validate, chosen_isa(isa), threads, accuracy)


@click.command("audit", cls=Verb)
@click.argument("layer")
@click.option("--input", "shape", multiple=True, callback=Shapes(), required=True, help="Input shape.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--isa", default="native", show_default=True, help="native, avx512, avx2 or portable.")
@click.option("--validate", default="fast", show_default=True, help="The level of the build that is audited.")
@click.option(
    "--threads", type=int, default=1, show_default=True, help="Threads that share a kernel's parts."
)
@click.option("--accuracy", type=click.Choice(TIERS), default="strict", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def command(layer: str, shape: Any, as_json: bool, **options: Any) -> None:
    """Audit the kernels of LAYER: built again and compared, validated exactly, run under the sanitizers."""
    from derive.spelling import parse_layer

    read = parse_layer(layer)
    if not isinstance(read, Layer):
        raise LayerError("not one layer", where=layer[:60], expected="a layer", mend="audit its layers, each")
    record = audit(request_of(read, one_shape(shape), **options))
    click.echo(record.to_json() if as_json else "\n".join(record.lines()))


def main() -> NoReturn:
    """The console entry point."""
    with Exits() as exits:
        command.main(standalone_mode=False, prog_name="python -m codegen.audit")
        sys.stdout.flush()
    sys.exit(exits.code)


if __name__ == "__main__":
    main()
