"""Owns the store of certificates: looks an obligation up by its shape; searches only where a search is given.

Untrusted: whatever comes from here is verified by `check.py`. The key of an obligation is its facts
and goal with names replaced by their order of appearance, facts about unrelated names left out, so that
both axes of a layer, and layers alike, share one entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from derive.certify import Obligation, settled
from derive.claim import Certificate
from derive.index import name

Search = Callable[[Obligation], Certificate | None]


@dataclass(frozen=True)
class Pattern:
    """An obligation with unrelated facts left out and names numbered, and the way back."""

    obligation: Obligation
    kept: tuple[int, ...]
    names: dict[str, str]

    @property
    def text(self) -> str:
        return " & ".join(map(str, self.obligation.facts)) + f" => {self.obligation.goal} >= 0"

    @property
    def key(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:20]

    def restore(self, certificate: Certificate) -> Certificate:
        """The pattern's certificate in the numbers and names of the full obligation."""
        back = {short: long for long, short in self.names.items()}
        products = tuple(
            (c, tuple(i if i < 0 else self.kept[i] for i in numbers)) for c, numbers in certificate.products
        )
        multiples = tuple(
            (self.kept[i], tuple((tuple(back[n] for n in monomial), c) for monomial, c in multiplier))
            for i, multiplier in certificate.multiples
        )
        return Certificate(products, multiples)


def pattern(obligation: Obligation) -> Pattern:
    """Keep the facts that share names with the goal, directly or through others; number the names."""
    reached = set(obligation.goal.names)
    while True:
        joined = {n for f in obligation.facts if f.form.names & reached for n in f.form.names}
        if joined <= reached:
            break
        reached |= joined
    kept = tuple(i for i, f in enumerate(obligation.facts) if f.form.names & reached)
    names: dict[str, str] = {}
    for form in [obligation.goal, *(obligation.facts[i].form for i in kept)]:
        for monomial, _ in form.terms:
            for n in monomial:
                names.setdefault(n, f"v{len(names):02d}")
    rename = {old: name(new) for old, new in names.items()}
    facts = tuple(obligation.facts[i].mapped(lambda f: f.substitute(rename)) for i in kept)
    return Pattern(Obligation(facts, obligation.goal.substitute(rename), obligation.about), kept, names)


@dataclass
class Oracle:
    """Certificates by pattern; `search` is tried on a miss and what it finds is kept in `found`."""

    stored: dict[str, Certificate]
    search: Search | None = None
    found: dict[str, tuple[str, Certificate]] = field(default_factory=dict)
    hopeless: set[str] = field(default_factory=set)

    def certificate(self, obligation: Obligation) -> Certificate | None:
        shape = pattern(obligation)
        key = shape.key
        answer = self.stored.get(key)
        if answer is None and self.search is not None and key not in self.hopeless:
            answer = self.search(shape.obligation)
            if answer is None:
                self.hopeless.add(key)
            else:
                self.stored[key] = answer
        if answer is None:
            return None
        self.found[key] = (shape.text, answer)
        return shape.restore(answer)

    def certificates(self, obligations: Sequence[Obligation]) -> tuple[Certificate, ...] | None:
        """One for every obligation that needs one, or None where one is missing."""
        answers = []
        for obligation in obligations:
            if settled(obligation):
                continue
            answer = self.certificate(obligation)
            if answer is None:
                return None
            answers.append(answer)
        return tuple(answers)


def to_data(certificate: Certificate) -> dict[str, Any]:
    products = [[c, list(numbers)] for c, numbers in certificate.products]
    multiples = [[i, [[list(m), c] for m, c in multiplier]] for i, multiplier in certificate.multiples]
    return {"products": products, "multiples": multiples}


def from_data(data: dict[str, Any]) -> Certificate:
    products = tuple((str(c), tuple(map(int, numbers))) for c, numbers in data["products"])
    multiples = tuple(
        (int(i), tuple((tuple(map(str, m)), str(c)) for m, c in multiplier))
        for i, multiplier in data["multiples"]
    )
    return Certificate(products, multiples)


@cache
def _store() -> dict[str, Certificate]:
    text = resources.files("derive").joinpath("certificates/store.json").read_text(encoding="utf-8")
    return {key: from_data(entry) for key, entry in json.loads(text).items()}


def stored_oracle() -> Oracle:
    """The oracle that backflip ships: the stored certificates, no search."""
    return Oracle(dict(_store()))
