"""Owns what the tests of the Rocq scripts share: a workshop, scripts compiled once, false versions."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from mutants import MUTANTS, Axis

from derive.between import theorems_between
from derive.claim import Argument, Claim, Step
from derive.errors import BackflipError
from derive.expr import Expr
from derive.layers import registry
from derive.oracle import stored_oracle
from derive.rocq import between_script, library, script
from derive.rocq.definitions import Listing
from derive.rocq.modules import modules
from derive.rocq.run import _run
from derive.rocq.statement import Statement as Stated
from derive.rocq.statement import inverted
from derive.statements.convolution import Statement
from derive.steps import Context, replay
from derive.strategy import argue

LONG = (
    "CircularPad3d", "ReflectionPad3d", "ReplicationPad3d", "BatchNorm2d", "BatchNorm3d",
    "linear-upsampling", "linear-upsampling-corners", "mean-pooling-inside", "mean-pooling-padded",
)  # fmt: skip
"""What has the longest scripts."""

HEAD = "From Backflip Require Import Backflip."

rocq = pytest.mark.skipif(
    not (shutil.which("coqc") and shutil.which("coqchk")),
    reason="Rocq is not installed (apt-get install --no-install-recommends coq)",
)


def usual(title: str) -> str:
    """The script of a class for its usual choices, or of a theorem between layers."""
    kind = registry().get(title)
    return between_script(title) if kind is None else script(kind, {})


TITLES = (*registry(), *theorems_between())


# ---- compiling ---------------------------------------------------------------------------------------


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time: the workers of one run share the folder."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def workshop() -> Path:
    """A folder of this session with the support library compiled."""
    folder = Path(os.environ["BACKFLIP_CACHE"]) / "rocq"
    folder.mkdir(exist_ok=True)
    with alone(folder):
        if not (folder / "Backflip.vo").exists():
            (text,) = library().values()
            code, output = accepted(folder, "Backflip", text)
            assert code == 0, output
    return folder


def accepted(folder: Path, name: str, text: str) -> tuple[int, str]:
    """What coqc says of a text as the file of that name."""
    (folder / f"{name}.v").write_text(text, encoding="utf-8")
    return _run(["coqc", "-q", "-Q", ".", "Backflip", f"{name}.v"], folder)


def compiled(title: str, text: str) -> str:
    """The module that a text is compiled to, once a session; fails where Rocq rejects it."""
    name = "Of_" + "".join(c if c.isalnum() else "_" for c in title)
    if not (workshop() / f"{name}.vo").exists():
        code, output = accepted(workshop(), name, text)
        assert code == 0, f"{title}: {output[:2000]}"
    return name


def bench(folder: Path) -> Path:
    """A folder of one test with the compiled library in it."""
    for file in ("Backflip.v", "Backflip.vo"):
        shutil.copy2(workshop() / file, folder)
    return folder


def rejected(folder: Path, text: str) -> str:
    """What coqc has against a text; "" where it accepts it."""
    code, output = accepted(bench(folder), "Text", text)
    return output if code else ""


def states(folder: Path, claim: Claim, argument: Argument) -> bool:
    """Whether the text that `rejected` has just accepted there, of one argument, proves this claim."""
    listing = Listing(claim)
    stated = Stated(listing, inverted(argument)).text()
    lines = [HEAD, "From Backflip Require Text.", *listing.section()]
    lines += [f"Definition as_expected :\n  {stated}\n  := Text.Claim_it.theorem.", ""]
    code, _ = accepted(folder, "Says", "\n".join(lines))
    return code == 0


# ---- claims on one axis, and false versions of them --------------------------------------------------


def counted(steps: tuple[Step, ...]) -> list[str]:
    return [str(n) for n, _ in enumerate(steps, 1)]


def several(arguments: Mapping[str, Argument]) -> str:
    """Arguments as one script; its lemmas have no numbers of a printed document."""
    sides = {key: (a.left_steps, a.right_steps) for key, a in arguments.items()}
    numbers = {key: (counted(left), counted(right)) for key, (left, right) in sides.items()}
    return "\n".join([HEAD, *modules(arguments, numbers), ""])


def one(argument: Argument) -> str:
    """One argument as a script."""
    return several({"it": argument})


@cache
def convolution(wrong: str) -> Argument:
    """The argument for a gradient of a convolution on one axis."""
    return argue(Statement((Axis("h"),), True, True).claims()[wrong], stored_oracle())


def mutant(kind: type[Statement]) -> Claim:
    """A false claim on one axis."""
    return kind((Axis("h"),), True, True).claims()[kind.wrong]


SHAPE_ALONE = ("NoLeftover", "StuffedTooLong")
"""Mistakes in lengths alone: the entries that are left are right, so no definition says anything false."""

FALSE = [kind for kind in MUTANTS if kind.__name__ not in (*SHAPE_ALONE, "OneAxisFlip")]
"""Mutants whose definitions say something false already on one axis."""


def put_in(text: str, old: Claim, new: Claim) -> str:
    """The script with the definitions of another claim, everything else as it was."""
    mine, theirs = ("\n".join(Listing(c).section()) for c in (old, new))
    assert text.count(mine) == 1
    return text.replace(mine, theirs)


def followed(claim: Claim, argument: Argument) -> Argument:
    """The same steps taken from another claim, to the same end.

    A step that cannot be taken ends as it ended there, and so does the last, so that the sides meet.
    """
    context = Context(claim.setting, claim.indices)

    def taken(start: Expr, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        found, current = [], start
        for step in steps:
            try:
                current, _ = replay(context, current, step.rule, step.arguments)
            except BackflipError:
                current = step.after
            found.append(replace(step, after=current))
        return tuple(found)

    left, right = taken(claim.left, argument.left_steps), taken(claim.right.body, argument.right_steps)
    if right:
        right = (*right[:-1], replace(right[-1], after=argument.right_steps[-1].after))
    return replace(argument, claim=claim, left_steps=left, right_steps=right)


def exported(argument: Argument) -> str:
    """The script of an argument that need not hold; "" where the exporter finds that it does not."""
    try:
        return one(argument)
    except (BackflipError, AssertionError, LookupError, ValueError, StopIteration):
        return ""
