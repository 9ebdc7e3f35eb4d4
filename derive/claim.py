"""Owns what is claimed and how an argument for it is written down; decides nothing.

A `Claim` says: in a `Setting` (facts about the sizes, input tensors, definitions), for every value of
the free indices, the left expression equals the entry of the right definition. An argument is two
chains of `Step`s, one from each side, that end in the same normal form. All of it is plain data, so
that it can be stored, printed and replayed by somebody else's checker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from derive.expr import Definition, Expr, Tensor
from derive.index import Form, Index


@dataclass(frozen=True, order=True)
class Fact:
    """form >= 0, or form = 0 where `equal`."""

    form: Form
    equal: bool = False

    def mapped(self, function: Callable[[Form], Form]) -> Fact:
        return Fact(function(self.form), self.equal)

    def holds(self, values: Mapping[str, int]) -> bool:
        value = self.form.evaluate(values)
        return bool(value == 0 if self.equal else value >= 0)

    def __str__(self) -> str:
        return f"{self.form} {'=' if self.equal else '>='} 0"


@dataclass(frozen=True)
class Setting:
    """What a claim stands on: facts about the sizes, the input tensors, and the definitions in order."""

    facts: tuple[Fact, ...]
    inputs: tuple[Tensor, ...]
    definitions: tuple[Definition, ...]

    def mapped(self, function: Callable[[Form], Form]) -> Setting:
        return Setting(
            tuple(f.mapped(function) for f in self.facts),
            tuple(t.mapped(function) for t in self.inputs),
            tuple(d.mapped(function) for d in self.definitions),
        )

    def definition(self, tensor: str) -> Definition | None:
        return next((d for d in self.definitions if d.tensor.name == tensor), None)


@dataclass(frozen=True)
class Claim:
    """For every value of right.indices: left = right.body, the entries of right.tensor.

    `target` is the tensor whose shape the right side must have (the operand of a gradient, or the
    output of a forward claim).
    """

    name: str
    setting: Setting
    left: Expr
    right: Definition
    target: Tensor

    @property
    def indices(self) -> tuple[Index, ...]:
        return self.right.indices

    def mapped(self, function: Callable[[Form], Form]) -> Claim:
        return replace(
            self,
            setting=self.setting.mapped(function),
            left=self.left.mapped(function),
            right=self.right.mapped(function),
            target=self.target.mapped(function),
        )


@dataclass(frozen=True)
class Certificate:
    """Why facts imply goal >= 0: the stated combination of the facts and of -goal - 1 >= 0 is -1.

    `products`: (coefficient, fact numbers) with a non-negative rational coefficient as text and the
    numbers of the facts multiplied; number -1 is the negated goal. `multiples`: (fact number of an
    equation, polynomial multiplier as (monomial, rational text) pairs).
    """

    products: tuple[tuple[str, tuple[int, ...]], ...]
    multiples: tuple[tuple[int, tuple[tuple[tuple[str, ...], str], ...]], ...] = ()


@dataclass(frozen=True)
class Step:
    """One application of a rule: its name, its arguments, its certificates, and the result.

    `reason` is said to the reader; `after` is the whole expression after the step.
    """

    rule: str
    arguments: Mapping[str, Any]
    certificates: tuple[Certificate, ...]
    after: Expr
    reason: str = ""


@dataclass(frozen=True)
class Argument:
    """A claim with the chains from its two sides to one normal form, and everything to replay them.

    `upkeep` certifies reads inside their tensors and the two shapes equal, in the order in which
    `check.py` asks. `witness` is an assignment of sizes and indices at which the hypotheses hold and
    the guard of the normal form is open, so that the claim is not vacuous.
    """

    claim: Claim
    left_steps: tuple[Step, ...]
    right_steps: tuple[Step, ...]
    upkeep: tuple[Certificate, ...]
    witness: Mapping[str, int] = field(default_factory=dict)
