"""Owns what every command shares: exit codes, shapes, output places, examples in --help."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import click

from derive.errors import BackflipError, LayerError, LimitError

MAX_AXES = 8
"""Most axes that an --input may have."""

CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG)

BUG, INTERRUPTED, BROKEN_PIPE = 70, 130, 141


class Terminated(BaseException):
    """The process was told to end; never taken for a fault of the code under test."""


def terminated(number: int, frame: object) -> None:
    """A signal's handler: what is open is closed on the way out, and a second signal ends at once."""
    signal.signal(number, signal.SIG_DFL)
    raise Terminated(number)


class Exits:
    """Turns whatever ends a command into a message on stderr and an exit code, kept in `code`.

    This is the outermost layer of the program: an exception that nobody else expected is a bug of ours
    (70); its traceback is shown only where BACKFLIP_DEBUG is set.
    """

    code = 0

    def __enter__(self) -> Exits:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if fault is None:
            return True
        self.code, message = _outcome(fault)
        if self.code == BUG and os.environ.get("BACKFLIP_DEBUG"):
            return False
        if message:
            click.echo(message, err=True)
        return True


def _outcome(fault: BaseException) -> tuple[int, str]:
    match fault:
        case click.exceptions.Exit():
            return fault.exit_code, ""
        case SystemExit() if type(sys.stdout).__name__.endswith("PacifyFlushWrapper"):
            return BROKEN_PIPE, ""  # click met a closed pipe, and says 1 for it
        case Terminated():
            return 128 + int(fault.args[0]), ""
        case SystemExit():
            return fault.code if isinstance(fault.code, int) else 1, ""
        case click.Abort() | KeyboardInterrupt():
            return INTERRUPTED, "interrupted"
        case click.UsageError():
            usage = fault.ctx.get_usage() + "\n" if fault.ctx else ""
            path = fault.ctx.command_path if fault.ctx else "backflip"
            return 2, f"{usage}error: {fault.format_message()}\n  mend:     {path} --help shows examples"
        case BackflipError():
            return fault.exit_code, f"error: {fault}"
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE, ""
        case OSError(errno=code) if code in CANNOT_WRITE:
            return 3, f"error: cannot write\n  got:      {fault}\n  mend:     write to another place"
        case MemoryError():
            return 3, "error: out of memory\n  mend:     use a smaller layer or input"
    return BUG, (
        f"this is a bug of backflip, not yours: {type(fault).__name__}: {fault}\n"
        "  mend:     report it with the command you typed; BACKFLIP_DEBUG=1 shows the traceback"
    )


class UsersCode:
    """A context in which somebody else's code runs: what it raises is their mistake."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(fault, Exception | SystemExit) and not isinstance(fault, BackflipError):
            raise LayerError(
                "the code to verify could not be imported",
                where=self.where,
                expected="a module that imports without an error, and a callable in it",
                got=f"{type(fault).__name__}: {fault}",
                mend="run from the folder that holds the module, or set PYTHONPATH",
            ) from None


class Shapes:
    """The values of --input: 1,1,3,3 for a layer; x=1,3,8,8 for each input of a graph, as a dict."""

    def __call__(self, context: click.Context, option: click.Parameter, given: tuple[Any, ...]) -> Any:
        if not given:
            return None
        named = [text.partition("=") for text in given if "=" in text]
        if not named and len(given) == 1:
            return parse_shape(given[0])
        found = {name.strip(): parse_shape(sizes) for name, _, sizes in named}
        if len(found) != len(given):
            raise LayerError(
                "input shapes without names, or one name twice",
                where="--input",
                expected="one shape, or one for each input: --input x=1,3,8,8 --input y=1,3,8,8",
                got=" ".join(given),
            )
        return found


def one_shape(shape: Any) -> Any:
    """The shape of a layer's only input; LayerError where shapes are given by name."""
    if isinstance(shape, dict) and shape.keys() != {"input"}:
        name, sizes = next(iter(shape.items()))
        raise LayerError(
            "not a size",
            where="--input, axis 0",
            expected="sizes alone: --input 1,1,3,3 (only the inputs of a Graph have names)",
            got=repr(f"{name}={sizes[0]}"),
        )
    return shape["input"] if isinstance(shape, dict) else shape


def shapes_said(shape: Any) -> str:
    """1,1,3,3, or x=1,3,8,8 y=1,3,8,8."""
    if isinstance(shape, dict):
        return " ".join(f"{name}={shapes_said(sizes)}" for name, sizes in shape.items())
    return ",".join(map(str, shape))


def parse_shape(text: str) -> tuple[int, ...]:
    """The shape that "1,1,3,3" (or "(1, 1, 3, 3)") spells; LayerError on anything else."""
    inner = text.strip().removeprefix("(").removesuffix(")").strip().removesuffix(",")
    parts = [part.strip() for part in inner.split(",")]
    expected = "whole numbers from 1 up, of at most 18 digits, separated by commas: --input 1,1,3,3"
    if len(parts) > MAX_AXES:
        raise LayerError(
            "too many axes", where="--input", expected=f"at most {MAX_AXES}", got=f"{len(parts)} axes"
        )
    for position, part in enumerate(parts):
        if not (part.isascii() and part.isdigit() and len(part) < 19 and int(part) > 0):
            raise LayerError(
                "size too large" if part.isascii() and part.isdigit() and len(part) > 18 else "not a size",
                where=f"--input, axis {position}",
                expected=expected,
                got=repr(part[:40]) if part else "nothing",
            )
    return tuple(map(int, parts))


def writable(path: Path) -> None:
    """Refuse an output place that cannot be written, before the work and not after it."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        got = (
            "a folder"
            if path.is_dir()
            else f"{folder} is {'not writable' if folder.is_dir() else 'no folder'}"
        )
        raise LimitError(
            "cannot write there",
            where=str(path),
            expected="a file in a folder that exists and can be written",
            got=got,
            mend="give another path",
        )


Decorated = TypeVar("Decorated", bound=click.Command)


def examples(*lines: str) -> Callable[[Decorated], Decorated]:
    """Examples first: printed by --help before the options."""

    def put(command: Decorated) -> Decorated:
        shown = "\n".join(["\b", "Examples:", *(f"  backflip {line}" for line in lines)])
        command.help = f"{shown}\n\n{command.help or ''}"
        command.short_help = (command.callback.__doc__ or "").splitlines()[0] if command.callback else None
        return command

    return put


class Verb(click.Command):
    """A command whose help ends in the exit codes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write_text(
            "Exit codes: 0 done or proved, 1 refuted, 2 your mistake, 3 could not, 70 a bug, 130 interrupted."
        )
