"""Elements of GF(2^61 - 1) for the reference interpreter, and operands of kernels of any class over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from codegen.artefact import Artefact
from codegen.draws import Drawn, drawn
from codegen.facts import facts_of
from codegen.loops import Kernel
from codegen.lower import lower
from codegen.run import run
from codegen.schedules.nest import Target
from derive.functions import NUMBER, PARAMETERS
from derive.instance import claim_at
from derive.layers.base import Layer, claims_of
from derive.numbers_field import PRIME, Field, residue

FIELD = Field()


@dataclass(frozen=True)
class Residue:
    """A number modulo 2^61 - 1; as a code, -1 is below 0, and nothing else is."""

    value: int

    def __add__(self, other: Any) -> Residue:
        return Residue((self.value + _plain(other)) % PRIME)

    def __sub__(self, other: Any) -> Residue:
        return Residue((self.value - _plain(other)) % PRIME)

    def __mul__(self, other: Any) -> Residue:
        return Residue(self.value * _plain(other) % PRIME)

    def __gt__(self, other: Any) -> bool:
        return self.value > _plain(other)

    def __lt__(self, other: Any) -> bool:
        return self.value == PRIME - 1 if isinstance(other, int) else self.value < _plain(other)

    __radd__ = __add__
    __rmul__ = __mul__


def _plain(value: Any) -> int:
    if isinstance(value, Fraction):
        return residue(value)
    return value.value if isinstance(value, Residue) else int(value) % PRIME


def applied(name: str) -> Any:
    """A function on single residues: the inverse is the true one, every other a mixing of bits."""

    def function(x: Residue, *parameters: Residue) -> Residue:
        if name == "recip":
            return Residue(pow(x.value, PRIME - 2, PRIME))
        return Residue(_mixed(name, x.value, [q.value for q in parameters]))

    return function


def _mixed(name: str, x: int, parameters: list[int]) -> int:
    """The unknown function of a name: bits mixed with its number and its parameters, modulo the prime."""
    h = _mix(x ^ _mix(NUMBER[name]))
    for q in parameters:
        h = _mix(h ^ q)
    return h % PRIME


def _mix(z: int) -> int:
    mask = 2**64 - 1
    z = (z + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


FUNCTIONS = {name: applied(name) for name in PARAMETERS}


def lowered(layer: Layer, shape: tuple[int, ...], target: Target) -> tuple[dict[str, Kernel], Artefact]:
    """The kernels of a layer, and what is needed to draw operands for them; nothing is compiled."""
    sizes, facts = layer.sizes(shape), facts_of(layer, shape)
    claims = {k: claim_at(c, sizes) for k, c in claims_of(type(layer), layer.choices(shape)).items()}
    kernels = {key: lower(key, claim, target, facts) for key, claim in claims.items()}
    artefact = Artefact(
        "",
        Path(),
        target.lanes,
        "float64",
        {kernels[k].name: c for k, c in claims.items()},
        {k.name: tuple(b.name for b in k.operands) for k in kernels.values()},
        {k.name: k.workspace for k in kernels.values()},
        _nothing,
        {k.name: k.constants for k in kernels.values()},
        {},
        layer,
        shape,
    )
    return kernels, artefact


def _nothing(definitions: tuple[str, ...]) -> ModuleType:
    raise AssertionError("nothing is compiled here")


def operands_of(artefact: Artefact, kernel: Kernel, seed: int) -> Drawn:
    rng = np.random.default_rng(seed)

    def draw(name: str, count: int) -> Any:
        return rng.integers(0, PRIME, count, np.uint64)

    return drawn(artefact, kernel.name, FIELD, draw, FIELD.constants, rng)


def computed(kernel: Kernel, elements: Mapping[str, Any], lanes: int) -> list[int | None]:
    """The kernel's result over the field; None where nothing was stored."""
    given = {
        n: np.array([Residue(int(v)) for v in np.asarray(a).reshape(-1)], object) for n, a in elements.items()
    }
    found = run(kernel, given, lanes, Residue(0), FUNCTIONS)
    return [v.value if isinstance(v, Residue) else None for v in found]


def exact(artefact: Artefact, kernel: Kernel, given: Drawn) -> list[int]:
    """The left side of the kernel's equation, by reverse differentiation of the definitions."""
    claim = artefact.equations[kernel.name]
    return [int(v) for v in np.asarray(FIELD.plain(given.values.left(claim))).reshape(-1)]
