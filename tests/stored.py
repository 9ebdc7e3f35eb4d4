"""Owns the reading of derive/certificates/store.json as obligations with their certificates."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

from derive.certificate import parse_form
from derive.certify import Obligation
from derive.claim import Certificate, Fact
from derive.oracle import from_data


def stored() -> dict[str, tuple[Obligation, Certificate]]:
    """Every obligation that the store's certificates settle, by key; a key is the digest of its text."""
    text = resources.files("derive").joinpath("certificates/store.json").read_text(encoding="utf-8")
    found = {}
    for key, entry in json.loads(text).items():
        shows = entry["shows"]
        assert hashlib.sha256(shows.encode()).hexdigest()[:20] == key, f"another text below {key}"
        facts, _, goal = shows.rpartition(" => ")
        given = tuple(map(fact, facts.split(" & "))) if facts else ()
        found[key] = (Obligation(given, fact(goal).form, shows), from_data(entry))
    return found


def fact(text: str) -> Fact:
    """The fact that prints as `text`."""
    form, sign, _ = text.rpartition(" >= 0") if text.endswith(" >= 0") else text.rpartition(" = 0")
    return Fact(parse_form(form), equal=sign == " = 0")
