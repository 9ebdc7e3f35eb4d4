"""Owns the museum's page: every exhibit with what is wrong in it, where it fails first, and what kills it.

Everything on it is computed: equations are printed from the claims, entries come from the judges and from the
interpreter of loops. Kernels are not compiled for it; the tests do that.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from functools import cache

from codegen.museum import Specimen, first_wrong, loop_mutants, looped
from codegen.museum_loops import LOOPS
from codegen.museum_words import recorded
from derive.claim import Claim
from derive.expr import Definition
from derive.museum import Exhibit, exhibits
from derive.museum.edits import direct
from derive.museum.functions import FUNCTIONS
from derive.museum.verdicts import found, refused, refuted

WIDTH = 108
LONGEST = 180
"""Characters of an entry's terms that are shown."""
HEAD = """\
# The museum of bugs

Bugs that recur in the field, each as it would stand in the equations, in the loops or in a NumPy function.
Every one is live: at the layer and shape given it gives another result. Every one is killed, by each of these
that it can be put before:

- **the core**: the claim with the wrong right side, or with the wrong definition beside the right side, has
  no proof for all sizes; the reason is quoted (`backflip explain "ALL SIZES (certificate)"`);
- **the judge at the size**: both sides compared at every entry, exhaustively, or over a prime field where
  functions occur; the first wrong entry is shown with both terms;
- **`backflip verify`**: the wrong equation as a function of arrays. It is refuted, made small, and named in
  the words of the heading;
- **validation of compiled kernels**: the wrong equation, or the wrong loops, lowered, compiled and held
  against the right definition by the checks that every build passes through. Their words are recorded
  (`codegen/museum_words.json`); `tests/test_museum_compiled.py` compiles the kernels and compares;
- **plain loops**: a wrong definition against nested loops that share no code with it
  (`tests/test_museum.py`), for a definition and a right side that are wrong alike prove each other.

"Met in public" lists threads in which that kind of mistake was reported or mended; what is shown here is our
own making of it, not their code. Where none is given, none was found that says it plainly.
"""
LOOPS_HEAD = """\
## In the loops alone

No equation says these; they are made in the loops of right kernels. Each row is one kernel, interpreted on
symbols (selecting kernels on whole numbers): its first wrong entry with both terms. The same kernels are
compiled and refused in the tests.

| bug | kernel | first wrong entry |
|---|---|---|
"""


@cache
def museum_page() -> str:
    """The page as Markdown."""
    parts = [HEAD, _counts()]
    parts += [section(number, exhibit) for number, exhibit in enumerate(exhibits(), start=1)]
    rows = [_row(title, specimen) for title, specimen in loop_mutants()]
    return "\n".join([*parts, LOOPS_HEAD + "\n".join(rows) + "\n"])


def _counts() -> str:
    every = exhibits()
    kinds = {
        "as a wrong right side": sum(e.closed is not None for e in every),
        "as a wrong definition": sum(e.defined is not None for e in every),
        "as wrong constants": sum(e.tables is not None for e in every),
        "in loops of their own layer": sum(bool(e.loops) for e in every),
        "as a NumPy-style function": sum(e.key in FUNCTIONS for e in every),
    }
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"{len(every)} exhibits: {said}.\n"


def section(number: int, exhibit: Exhibit) -> str:
    """One exhibit."""
    lines = [f"## {number}. {exhibit.name}", "", f"`{exhibit.key}`: {exhibit.says}.", ""]
    lines.append(f"- Live in `{exhibit.layer}` at {exhibit.shape}, {result_of(exhibit)}.")
    if exhibit.sources:
        lines.append(f"- Met in public: {', '.join(map(_link, exhibit.sources))}.")
    lines += _killed(exhibit)
    return "\n".join([*lines, *_equations(exhibit), ""])


def result_of(exhibit: Exhibit) -> str:
    return "output" if exhibit.result == "output" else f"grad_{exhibit.result}"


def _link(source: str) -> str:
    repository, _, thread = source.partition("#")
    return f"[{source}](https://github.com/{repository}/issues/{thread})"


def _killed(exhibit: Exhibit) -> Iterator[str]:
    """What each way of killing it says."""
    if exhibit.closed is not None or exhibit.tables is not None:
        seen = found(exhibit)
        if exhibit.name not in seen.names:
            raise ValueError(f"{exhibit.key} is not named by its bug: {seen.names}")
        at = f"`{seen.layer!r}` at {seen.shape}"
        yield f"- Smallest failing shape found, no argument raised: {at}; {_fault(seen.fault)}."
    for kind, said in (("closed", "wrong right side"), ("defined", "wrong definition")):
        if kind in exhibit.kinds:
            wrong = exhibit.wrong(kind)
            yield f'- As a {said}: the core says "{refused(wrong)}"; {_at_size(exhibit, wrong)}.'
        if kind == "closed" and kind in exhibit.kinds:
            yield f"- Compiled, that right side is {_refused(f'{exhibit.key}-closed')}."
    if exhibit.tables is not None:
        yield "- As wrong constants: `verify` and plain loops; the theorems hold for any constants."
    for specimen in looped(exhibit):
        title = specimen.name.removeprefix(exhibit.key.replace("-", "_") + "_")
        words = f"{LOOPS[title].says}; {_fault(first_wrong(specimen))}; compiled, {_refused(specimen.name)}"
        yield f"- In the loops: {words}."
    if exhibit.key in FUNCTIONS:
        yield "- As a NumPy-style function: `derive.museum.functions`."


def _refused(kernel: str) -> str:
    """What the record says of a compiled kernel."""
    words = recorded()[kernel.replace("-", "_")]
    if "trace" not in words:
        return f"refused by {words['refused by']}"
    traced = f"{_code(words['trace'])}, right is {_code(words['right'])}"
    return f"refused by {words['refused by']}; the trace says {traced}"


def _at_size(exhibit: Exhibit, wrong: Claim) -> str:
    """What the judge at the live shape finds."""
    difference = refuted(exhibit.at(wrong), exhibit.parsed)
    if difference is None:
        raise ValueError(f"{exhibit.key} is not live at {exhibit.shape}")
    entry = f"{difference.tensor}[{', '.join(map(str, difference.entry))}]"
    if " mod 2^61 - 1" in difference.left:
        return f"the judge at the size finds `{entry}` wrong over the prime field"
    left, right = _code(difference.left), _code(difference.right)
    return f"the judge at the size finds `{entry}`: by definition {left}, by the right side {right}"


def _fault(text: str) -> str:
    """ "entry: got this, expected that", both parts as code."""
    where, _, rest = text.partition(": got ")
    got, _, wanted = rest.partition(", expected ")
    return f"`{where}`: got {_code(got)}, expected {_code(wanted)}"


def _code(text: str) -> str:
    short = text if len(text) <= LONGEST else text[: LONGEST - 4].rsplit(" ", 1)[0] + " ..."
    return f"`{short}`"


def _equations(exhibit: Exhibit) -> Iterator[str]:
    """The definitions that the bug changes, right and wrong."""
    for kind, said in (("closed", "Right side"), ("defined", "Definition")):
        if kind not in exhibit.kinds:
            continue
        right, wrong = exhibit.right(), exhibit.wrong(kind)
        straight = (
            direct()(right, exhibit.sizes) if kind == "closed" and exhibit.result != "output" else right
        )
        pairs = min((_changed(right, wrong), _changed(straight, wrong)), key=len)
        for good, bad in pairs:
            yield f"\n{said}, right and wrong:\n\n```text\n{_wrapped(good)}\n\n{_wrapped(bad)}\n```"


def _changed(right: Claim, wrong: Claim) -> list[tuple[Definition, Definition]]:
    """The definitions of one claim that another has otherwise; those that it lacks count too."""
    found = [(right.right, wrong.right)] if right.right != wrong.right else []
    for bad in wrong.setting.definitions:
        good = right.setting.definition(bad.tensor.name)
        if good is not None and good != bad:
            found.append((good, bad))
    missing = len(right.setting.definitions) - len(wrong.setting.definitions)
    return found + found[:1] * missing


def _wrapped(definition: Definition) -> str:
    lines = textwrap.wrap(str(definition), WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n  ".join(lines)


def _row(title: str, specimen: Specimen) -> str:
    kernel = "output" if specimen.result == "output" else f"grad_{specimen.result}"
    fault = _fault(first_wrong(specimen))
    return f"| {LOOPS[title].says} | {kernel} of `{specimen.layer!r}` at {specimen.shape} | {fault} |"
