"""Owns the scripts as files: their header, the support library that they stand on, and what they are of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from derive.claim import Argument, Step
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.rocq.modules import Numbering, modules
from derive.theorems import BETWEEN, proved_between, stated, theorems

LIBRARY = "Backflip"
HEADER = "(* backflip theorems "
WIDTH = 100


def script(kind: type[Layer], choices: Mapping[str, Any]) -> str:
    """The theorems of a layer class over symbolic sizes as a Rocq script; LayerError on an unknown choice."""
    from derive.symbolic import numbers

    full = kind.chosen(choices)
    found = {key: t.argument for key, t in theorems(kind, full).items()}
    printed = numbers(kind, full)
    spelled = {key: (list(map(str, n.left)), list(map(str, n.right))) for key, n in printed.items()}
    return _text(kind.__name__, full, found, spelled)


def between_script(name: str) -> str:
    """A theorem between layers, all of its parts, as a Rocq script; LayerError on an unknown name."""
    from derive.between_proof import numbers

    found = {part: t.argument for part, t in proved_between(name).items()}
    printed = numbers(name)
    spelled = {
        part: (
            _said(printed[part].left if part in printed else (), argument.left_steps),
            _said(printed[part].right if part in printed else (), argument.right_steps),
        )
        for part, argument in found.items()
    }
    return _text(BETWEEN + name, {}, found, spelled)


def _said(numbers: Sequence[int], steps: Sequence[Step]) -> list[str]:
    """The printed number of each step; where a part is not printed its steps are counted."""
    return list(map(str, numbers)) or [f"not printed, {place + 1}" for place in range(len(steps))]


def _text(
    title: str, choices: Mapping[str, Any], arguments: Mapping[str, Argument], numbers: Numbering
) -> str:
    return "\n".join(
        [
            header(title, choices),
            *_guide(title, arguments),
            f"From {LIBRARY} Require Import {LIBRARY}.",
            *modules(arguments, numbers),
            "",
        ]
    )


def header(title: str, choices: Mapping[str, Any]) -> str:
    """The first line of a script: what it is of."""
    return f"{HEADER}{json.dumps({'title': title, 'choices': dict(choices)})} *)"


def _guide(title: str, arguments: Mapping[str, Argument]) -> list[str]:
    steps = sum(len(a.left_steps) + len(a.right_steps) for a in arguments.values())
    return [
        f"(* {title}: {len(arguments)} theorems, {steps} steps, each a lemma that names the equation of",
        "   the printed derivation. In each module: the definitions over any commutative ring; that every",
        "   read is inside its tensor; the derivative, which is the eps part over dual numbers a + b eps,",
        "   eps eps = 0; the steps; and `theorem`, which states everything that it supposes.",
        f"   By hand: coqc -Q . {LIBRARY} {LIBRARY}.v && coqc -Q . {LIBRARY} THIS.v; then coqchk. *)",
    ]


def library() -> dict[str, str]:
    """The support library: file name -> text."""
    name = f"{LIBRARY}.v"
    return {name: resources.files("derive.rocq").joinpath(name).read_text(encoding="utf-8")}


def claimed(text: str, where: str) -> tuple[str, dict[str, Any], dict[str, Argument]]:
    """What a script says it is of, and the arguments of those theorems; LayerError on another file."""
    first = text.partition("\n")[0]
    try:
        if not (first.startswith(HEADER) and first.endswith(" *)")):
            raise ValueError(first[:60])
        head = json.loads(first[len(HEADER) : -len(" *)")])
        title, choices = str(head["title"]), dict(head["choices"])
    except (ValueError, TypeError, LookupError, RecursionError) as fault:
        raise LayerError(
            "not a script that backflip wrote",
            where=where,
            expected=f"a first line {HEADER}...",
            got=str(fault)[:80],
            mend="backflip prove CLASS --all-sizes --export rocq -o FILE.v",
        ) from None
    claims, full = stated(title, choices, where)
    if title.startswith(BETWEEN):
        proved = proved_between(title.removeprefix(BETWEEN))
    else:
        from derive.layers import registry

        proved = theorems(registry()[title], full)
    return title, full, {key: proved[key].argument for key in claims}
