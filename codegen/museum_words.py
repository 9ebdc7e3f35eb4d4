"""Owns what the validator says of the museum's compiled kernels: recorded by a command, held true by tests.

`python -m codegen.museum_words` compiles every exhibit's kernels (some seconds) and rewrites the record that
the museum's page is written from; tests/test_museum_compiled.py compiles them again and compares.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from codegen.errors import BuildError, Untraceable
from codegen.museum import Cabinet, Specimen, looped, specimen
from codegen.plan import plan_of
from codegen.relation import relation_of
from codegen.rig import Rig
from codegen.trace import Tracer
from codegen.validate import check_trace
from derive.museum import exhibits

RECORD = Path(__file__).with_name("museum_words.json")
SEED = 11
CHECKS = {
    "whole numbers": "the shipped binary on whole numbers",
    "further from its equation than rounding explains": "the shipped binary on real numbers, by its bound",
}
"""Words of a refusal, and which check says them."""


def on_show() -> list[Specimen]:
    """Every exhibit's kernels: of its wrong right side, and with its wrong loops."""
    equations = [specimen(e, "closed") for e in exhibits() if e.closed is not None]
    return [*equations, *(s for e in exhibits() for s in looped(e))]


def cabinets(specimens: Iterable[Specimen], folder: Path) -> dict[str, Cabinet]:
    """Each specimen's module by its name: one for products, one for functions, choices and coefficients."""
    every = list(specimens)
    groups = {products: [s for s in every if s.products is products] for products in (True, False)}
    built = {p: Cabinet.of(group, folder / str(p)) for p, group in groups.items() if group}
    return {s.name: built[s.products] for s in every}


def said(name: str, own: Cabinet) -> dict[str, str]:
    """Which check refuses a kernel first, and what the trace says of it where it can follow the definition.

    Raises BuildError where the kernel passes, or where no check of CHECKS is known by the words.
    """
    refusal = own.refusal(name, seed=SEED)
    known = [check for words, check in CHECKS.items() if words in refusal]
    if not known:
        raise BuildError(
            "a kernel of the museum is not refused as expected", where=name, got=refusal or "accepted"
        )
    found = {"refused by": known[0]}
    return found | traced(name, own)


def traced(name: str, own: Cabinet) -> dict[str, str]:
    """What the tracing element says of the first wrong entry, and what belongs there; without chance.

    Empty where it cannot follow the definition, or accepts the kernel.
    """
    specimen = own.specimens[name]
    if not specimen.products or not followed(specimen):
        return {}
    artefact = own.artefact(name)
    module = artefact.load_variant(("BF_ELEMENT_TRACE",))
    tracer = Tracer(module)
    try:
        check_trace(Rig(artefact, name, module, np.uint64), tracer)
    except BuildError as refused:
        return {"trace": refused.got, "right": refused.expected}
    finally:
        tracer.release()
    return {}


def followed(own: Specimen) -> bool:
    """Whether the terms of the definition can be told apart by their factors."""
    try:
        plan_of(relation_of(own.right))
    except Untraceable:
        return False
    return True


@cache
def recorded() -> Mapping[str, Mapping[str, str]]:
    """The record, by the kernels' names."""
    found: Mapping[str, Mapping[str, str]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Rewrite the record."""
    with tempfile.TemporaryDirectory(prefix="backflip-museum-") as folder:
        built = cabinets(on_show(), Path(folder))
        found = {name: said(name, own) for name, own in built.items()}
    RECORD.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{RECORD.name}: {len(found)} kernels, {sum('trace' in w for w in found.values())} traced")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
