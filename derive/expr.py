"""Owns the index language: tensors, reads, derivatives, sums under conditions, and definitions.

An expression is a finite sum of `Sum` terms; a `Sum` is

    coefficient * sum over its indices of [conditions] * product of factors

and a factor is a `Read` of a tensor entry, a function of one (`Apply`), or a `Partial` derivative of one
entry by another. A `Definition` gives every entry of a tensor an expression; what a function is applied to
is an entry, so an argument that is an expression has a definition of its own. This file says what may be
written; what an expression means is `meaning.py`, what may be concluded is `check.py`. It is not a
computer algebra system: nothing here simplifies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

from derive.index import ONE, ZERO, Condition, Form, Index


@dataclass(frozen=True)
class Tensor:
    """A named array of given shape.

    `layout` is how a user sees the axes: each group of language axes is one user axis, merged in
    row-major order (the channel axis of PyTorch is the pair group, channel in group); an axis in no
    group is hidden and has extent 1 there (the batch axis of an unbatched layer).
    """

    name: str
    shape: tuple[Form, ...]
    layout: tuple[tuple[int, ...], ...] = field(default=())

    def mapped(self, function: Callable[[Form], Form]) -> Tensor:
        return replace(self, shape=tuple(function(f) for f in self.shape))

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Read:
    """One entry of a tensor."""

    tensor: Tensor
    index: tuple[Form, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset().union(*(f.names for f in self.index))

    def mapped(self, function: Callable[[Form], Form]) -> Read:
        return Read(self.tensor.mapped(function), tuple(function(f) for f in self.index))

    def __str__(self) -> str:
        return f"{self.tensor.name}[{', '.join(map(str, self.index))}]"


@dataclass(frozen=True)
class Partial:
    """The partial derivative of one entry by another."""

    of: Read
    wrt: Read

    @property
    def names(self) -> frozenset[str]:
        return self.of.names | self.wrt.names

    def mapped(self, function: Callable[[Form], Form]) -> Partial:
        return Partial(self.of.mapped(function), self.wrt.mapped(function))

    def __str__(self) -> str:
        return f"d {self.of}/d {self.wrt}"


@dataclass(frozen=True)
class Apply:
    """A function of one entry; `function` is a name of `derive.functions`."""

    function: str
    of: Read

    @property
    def names(self) -> frozenset[str]:
        return self.of.names

    def mapped(self, function: Callable[[Form], Form]) -> Apply:
        return Apply(self.function, self.of.mapped(function))

    def __str__(self) -> str:
        return f"{self.function}({self.of})"


Factor = Read | Partial | Apply


@dataclass(frozen=True)
class Sum:
    """coefficient * sum over indices of [conditions] * product of factors."""

    indices: tuple[Index, ...]
    conditions: tuple[Condition, ...]
    factors: tuple[Factor, ...]
    coefficient: Fraction = Fraction(1)

    def mapped(self, function: Callable[[Form], Form]) -> Sum:
        """Every form inside passed through `function`; names that the sum binds are not protected."""
        return Sum(
            tuple(i.mapped(function) for i in self.indices),
            tuple(c.mapped(function) for c in self.conditions),
            tuple(f.mapped(function) for f in self.factors),
            self.coefficient,
        )

    @cached_property
    def bound(self) -> frozenset[str]:
        return frozenset(i.name for i in self.indices)

    @cached_property
    def names(self) -> frozenset[str]:
        """All names that occur, bound ones included."""
        parts = [i.extent.names | {i.name} for i in self.indices]
        return frozenset().union(
            *parts, *(c.names for c in self.conditions), *(f.names for f in self.factors)
        )

    def __str__(self) -> str:
        head = "".join(f"sum_{{{i.name}<{i.extent}}} " for i in self.indices)
        body = " ".join(map(str, self.factors)) or "1"
        scale = "" if self.coefficient == 1 else f"{self.coefficient} "
        return scale + head + "".join(map(str, self.conditions)) + " " * bool(self.conditions) + body


@dataclass(frozen=True)
class Expr:
    """A finite sum of terms; no terms is zero."""

    terms: tuple[Sum, ...]

    def mapped(self, function: Callable[[Form], Form]) -> Expr:
        return Expr(tuple(t.mapped(function) for t in self.terms))

    def with_term(self, position: int, new: tuple[Sum, ...]) -> Expr:
        """The expression with one term replaced by zero or more."""
        return Expr(self.terms[:position] + new + self.terms[position + 1 :])

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms)) or "0"


@dataclass(frozen=True)
class Definition:
    """tensor[indices] := body, for every value of the indices inside the tensor's shape."""

    tensor: Tensor
    indices: tuple[Index, ...]
    body: Expr
    role: str = ""

    def mapped(self, function: Callable[[Form], Form]) -> Definition:
        return replace(
            self,
            tensor=self.tensor.mapped(function),
            indices=tuple(i.mapped(function) for i in self.indices),
            body=self.body.mapped(function),
        )

    @property
    def left(self) -> Read:
        """The defined entry; an index of extent 1 is written 0."""
        return Read(self.tensor, tuple(ZERO if i.extent == ONE else i.form for i in self.indices))

    def __str__(self) -> str:
        return f"{self.left} := {self.body}"


def single(*factors: Factor) -> Expr:
    """The expression that is one product, without sum or condition."""
    return Expr((Sum((), (), factors),))


def entry_of(factor: Factor) -> Read | None:
    """The entry that a factor is, or is a function of; None for a derivative."""
    match factor:
        case Read():
            return factor
        case Apply():
            return factor.of
        case _:
            return None


def substitute(term: Sum, values: Mapping[str, Form]) -> Sum:
    """Names replaced in a term; the caller sees to it that no bound name is captured."""
    return term.mapped(lambda form: form.substitute(values))
