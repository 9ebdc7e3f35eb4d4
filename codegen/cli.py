"""Owns the `backflip` command: mounts derive's commands and adds build and cache."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from codegen.cli_bench import bench_command
from derive import cli as derive_cli
from derive.cli_shared import needed_shape, read_layer
from derive.errors import LimitError
from derive.terminal import Exits, Verb, examples, one_shape, terminated


@examples(
    'build "Conv2d(3, 8, 3)" --input 1,3,32,32',
    'build "Conv2d(3, 8, 3)" --input 1,3,32,32 --dtype float64 --validate exact -o kernels',
    'build "Conv2d(1, 1, 2)" --input 1,1,3,3 --source',
    'build "Sequential(Conv2d(1, 2, 3), ReLU())" --input 1,1,6,6',
)
@click.command("build", cls=Verb)
@click.argument("layer")
@needed_shape
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="Of all arrays.",
)
@click.option("--wrt", default="all", show_default=True, help="input, weight, bias, all, or none.")
@click.option(
    "--threads",
    type=int,
    default=1,
    show_default=True,
    help="That share the parts of a kernel, to the same bits as one.",
)
@click.option("--no-tune", is_flag=True, help="Choose schedules by the model alone, time none.")
@click.option(
    "--accuracy", type=click.Choice(["strict", "balanced", "relaxed"]), default="strict", show_default=True
)
@click.option(
    "--validate",
    type=click.Choice(["fast", "exact"]),
    default="fast",
    show_default=True,
    help="How much is checked; exact adds a second trace, two rings, real numbers, branch marks.",
)
@click.option(
    "--isa",
    type=click.Choice(["native", "avx512", "avx2", "portable"]),
    default="native",
    show_default=True,
    help="Instruction set; native is the widest of this CPU.",
)
@click.option(
    "-o",
    "folder",
    type=click.Path(path_type=Path),
    help="Write text, C file, binary, proof and record to DIR for codegen.load; of a graph texts and proofs.",
)
@click.option("--source", is_flag=True, help="Print the generated Cython text instead of the summary.")
def build_command(
    layer: str,
    shape: Any,
    wrt: str,
    no_tune: bool,
    folder: Path | None,
    source: bool,
    **options: Any,
) -> None:
    """Compile the kernels of LAYER, forward and gradients, from the proved equations; validate; cache."""
    from codegen.graph import build
    from derive.graph import Graph

    read = read_layer(layer)
    if folder is not None:
        _check_folder(folder)
    wanted: str | tuple[str, ...] = () if wrt == "none" else wrt
    options |= {"wrt": wanted, "tune": not no_tune}
    if isinstance(read, Graph):
        _show_graph(build(read, shape, **options).kernels, folder, source)
        return
    shape = one_shape(shape)
    _announce(read, shape, wanted)
    kernel = build(read, shape, **options)
    if folder is not None:
        _write(folder, {path.name: path.read_bytes() for path in sorted(kernel.path.iterdir())})
    click.echo(kernel.source.rstrip("\n") if source else "\n".join(summary(kernel)))


def _show_graph(kernels: dict[str, Any], folder: Path | None, source: bool) -> None:
    """The kernels of a graph's nodes; nodes that have one kernel are named together."""
    nodes: dict[int, list[str]] = {}
    for name, kernel in kernels.items():
        nodes.setdefault(id(kernel), []).append(name)
    for names in nodes.values():
        kernel = kernels[names[0]]
        if folder is not None:
            texts = {"pyx": kernel.source, "json": kernel.proof + "\n"}
            _write(folder, {f"{names[0]}.{suffix}": text.encode() for suffix, text in texts.items()})
        said = kernel.source.rstrip("\n") if source else "\n".join(summary(kernel))
        click.echo(f"{'# ' * source}node {', '.join(names)}:\n{said}")


def _announce(layer: Any, shape: tuple[int, ...], wanted: str | tuple[str, ...]) -> None:
    """An estimate on stderr before anything that takes over 10 s."""
    from codegen.call import wanted_gradients
    from codegen.facts import facts_of
    from codegen.produce import claims_of
    from codegen.work import check_work, seconds_of

    layer.operands(shape)
    facts = facts_of(layer, shape)
    claims = claims_of(layer, shape, ("output", *wanted_gradients(layer, shape, wanted)))
    check_work(claims, facts)
    seconds = seconds_of(claims, facts)
    if seconds > 10:
        click.echo(f"note: building and validating takes about {seconds:,.0f} s, unless cached", err=True)


def summary(kernel: Any) -> list[str]:
    """What was proved, what was checked of the binary with claims and bounds, and where it lies."""
    from codegen.assembly import said
    from codegen.record import ValidationRecord

    proof = json.loads(kernel.proof)
    lines = [f"{kernel!r}: {proof['label']}, certificate sha256 {proof['certificate_sha256']}"]
    for title, notes in proof["schedule"].items():
        lines.append(f"  {title}: {'; '.join(notes)}")
    record = ValidationRecord.from_json(json.dumps(proof["validation"]))
    lines += [f"  {line}" for line in record.lines(width=108)]
    lines.append(f"  {said(proof.get('assembly', {}), (kernel.path / 'module.so').stat().st_size)}")
    lines.append(f"  workspace {kernel.workspace_bytes:,} bytes; {proof['isa']}, {proof['compiler']}")
    return [*lines, f"  {'from the cache' if kernel.cached else 'built'}: {kernel.path}"]


def _check_folder(folder: Path) -> None:
    if (folder.exists() and not folder.is_dir()) or not folder.absolute().parent.is_dir():
        raise LimitError(
            "cannot write there",
            where=str(folder),
            expected="a folder, or a name in a folder that exists",
            got="a file" if folder.exists() else f"no folder {folder.parent}",
            mend="give another path",
        )


def _write(folder: Path, files: dict[str, bytes]) -> None:
    from derive.pdf import write_whole

    try:
        folder.mkdir(exist_ok=True)
    except OSError as fault:
        raise LimitError("cannot make the folder", where=str(folder), got=str(fault)) from None
    for name, data in files.items():
        write_whole(folder / name, data)
        click.echo(f"wrote {folder / name}", err=True)


@examples("cache path", "cache list", "cache clear")
@click.group("cache")
def cache_command() -> None:
    """Show or clear the folder of compiled kernels (BACKFLIP_CACHE moves it)."""


@cache_command.command("path")
def cache_path() -> None:
    """Print the folder."""
    from codegen import cache

    click.echo(cache.folder())


@cache_command.command("list")
def cache_list() -> None:
    """One line a compiled module; of one that is not used, which of its files do not agree."""
    from codegen import cache
    from codegen.errors import BuildError
    from codegen.loader import agreeing

    for path in cache.folders():
        size = sum(p.stat().st_size for p in path.iterdir())
        try:
            entry = cache.entry_in(path, path.name)
            agreeing(entry)
            what = "{layer} at {shape}, {dtype}, {isa}".format_map(entry.record)
        except BuildError as fault:
            said = f"{Path(fault.where).name}: expected {fault.expected}, got {fault.got}"
            what = f"not used, built anew when asked for: {said}"
        click.echo(f"{path.name[:16]}  {size / 1024:8.0f} KiB  {what}")


@cache_command.command("clear")
def cache_clear() -> None:
    """Delete every compiled module and request."""
    from codegen import cache

    click.echo(f"removed {cache.clear()} entries from {cache.folder()}")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="backflip", prog_name="backflip")
def backflip() -> None:
    """\b
    Examples:
      backflip derive "Conv2d(1, 1, 2)" --input 1,1,3,3
      backflip prove "Conv2d(1, 6, 5, padding=2)" --input 1,1,28,28
      backflip prove Conv2d --all-sizes
      backflip build "Conv2d(3, 8, 3)" --input 1,3,32,32
      backflip bench "Conv2d(3, 8, 3)" --input 1,3,32,32
      backflip verify mymodule:conv_backward "Conv2d(3, 8, 3)" --input 2,3,7,6

    Gradients of neural-network layers: derived step by step, proved, printed, compiled to checked kernels.

    Layers are spelled as torch.nn spells them. Results go to stdout, progress and notes to stderr. Output has
    no colour (NO_COLOR changes nothing). Shell completion:
    eval "$(_BACKFLIP_COMPLETE=bash_source backflip)".
    """


for _command in (*derive_cli.COMMANDS, build_command, bench_command, cache_command):
    backflip.add_command(_command)


def main() -> NoReturn:
    """The console entry point."""
    signal.signal(signal.SIGTERM, terminated)
    with Exits() as exits:
        backflip.main(standalone_mode=False, prog_name="backflip")
        sys.stdout.flush()
    sys.exit(exits.code)


if __name__ == "__main__":
    main()
