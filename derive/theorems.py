"""Owns the theorems of layer classes and between layers: argued once a process, checked, then kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from derive.between import known_between, theorem_between, theorems_between
from derive.certificate import dump
from derive.claim import Claim
from derive.errors import LayerError
from derive.layers import registry
from derive.layers.base import Layer
from derive.oracle import stored_oracle
from derive.proof import Theorem, theorem
from derive.strategy import argue

LABEL = "ALL SIZES (certificate)"

BETWEEN = "theorem "
"""What the title of a certificate of a theorem between layers begins with."""

_PROVED: dict[tuple[type[Layer], tuple[tuple[str, Any], ...]], dict[str, Theorem]] = {}
_BETWEEN: dict[str, dict[str, Theorem]] = {}


def theorems(kind: type[Layer], choices: Mapping[str, Any]) -> dict[str, Theorem]:
    """The class's theorems over symbolic sizes: 'output' and one for each gradient."""
    key = (kind, tuple(sorted(choices.items())))
    if key not in _PROVED:
        oracle = stored_oracle()
        claims = kind.claims(**choices)
        _PROVED[key] = {operand: theorem(argue(claim, oracle)) for operand, claim in claims.items()}
    return dict(_PROVED[key])


def certificate_text(kind: type[Layer], choices: Mapping[str, Any]) -> str:
    """The certificate file of the class's theorems."""
    proved = theorems(kind, choices)
    return dump(kind.__name__, choices, {key: t.argument for key, t in proved.items()})


def certificate_digest(kind: type[Layer], choices: Mapping[str, Any]) -> str:
    """Digest of that file's body; kernels and documents name it."""
    return str(json.loads(certificate_text(kind, choices))["digest"])


def proved_between(name: str) -> dict[str, Theorem]:
    """The parts of a theorem between layers, on one, two and three axes; LayerError on an unknown name."""
    if name not in _BETWEEN:
        oracle = stored_oracle()
        claims = theorem_between(name).everything()
        _BETWEEN[name] = {part: theorem(argue(claim, oracle)) for part, claim in claims.items()}
    return dict(_BETWEEN[name])


def between_certificate(name: str) -> str:
    """The certificate file of a theorem between layers."""
    return dump(BETWEEN + name, {}, {part: t.argument for part, t in proved_between(name).items()})


def stated(title: str, choices: Mapping[str, Any], where: str) -> tuple[dict[str, Claim], dict[str, Any]]:
    """What the layer class or the theorem between layers of that title claims, and for which choices."""
    between = known_between(title.removeprefix(BETWEEN)) if title.startswith(BETWEEN) else None
    if between is not None:
        if choices:
            raise LayerError("a theorem between layers has no choices", where=where, got=", ".join(choices))
        return between.everything(), {}
    kind = registry().get(title)
    if kind is None:
        raise LayerError(
            "certificate of an unknown layer or theorem",
            where=where,
            expected=", ".join((*registry(), *(BETWEEN + name for name in theorems_between()))),
            got=title,
        )
    full = kind.chosen(choices)
    return kind.claims(**full), full
