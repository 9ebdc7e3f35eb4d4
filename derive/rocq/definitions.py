"""Owns the definitions of a claim in Rocq, over any commutative ring, and what each of them depends on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from derive.claim import Claim
from derive.expr import Apply, Definition, Partial, Sum, Tensor, entry_of
from derive.functions import DERIVATIVE, IDENTITY
from derive.rocq.lines import Lines
from derive.rocq.names import Names, number


def arrow(rank: int) -> str:
    return "Z -> " * rank


def listed(names: Iterable[str], kind: str) -> Lines:
    text = " ".join(names)
    return [f"Variables {text} : {kind}."] if text else []


@dataclass(frozen=True)
class Listing:
    """A claim's sizes, functions, tensors and definitions as Rocq knows them."""

    claim: Claim

    @cached_property
    def definitions(self) -> tuple[Definition, ...]:
        return (*self.claim.setting.definitions, self.claim.right)

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """Every function that occurs, and what their derivatives need."""
        found = {f.function for t in self._terms for f in t.factors if isinstance(f, Apply)}
        while True:
            more = {n for f in found for _, names in DERIVATIVE.get(f, ()) for n in names} - {IDENTITY}
            if more <= found:
                return tuple(sorted(found))
            found |= more

    @cached_property
    def _terms(self) -> tuple[Sum, ...]:
        return tuple(t for d in self.definitions for t in d.body.terms)

    @cached_property
    def halves(self) -> bool:
        numbers = {t.coefficient for t in self._terms}
        numbers |= {c for f in self.functions for c, _ in DERIVATIVE.get(f, ())}
        return any("half" in number(c) for c in numbers)

    @cached_property
    def sizes(self) -> tuple[str, ...]:
        setting = self.claim.setting
        forms = [f.form for f in setting.facts] + [f for t in setting.inputs for f in t.shape]
        return tuple(dict.fromkeys(n for form in forms for n in sorted(form.names)))

    @cached_property
    def names(self) -> Names:
        tensors = frozenset(t.name for t in self.claim.setting.inputs) | {
            d.tensor.name for d in self.definitions
        }
        return Names(tensors, frozenset(f"fn_{f}" for f in self.functions))

    @property
    def wrt(self) -> Tensor | None:
        """The input by which the left side is a derivative."""
        factor = self.claim.left.terms[0].factors[0]
        return factor.wrt.tensor if isinstance(factor, Partial) else None

    # ---- what a definition depends on, which is what its constant takes after the section -------------

    @cached_property
    def needs(self) -> dict[str, frozenset[str]]:
        """For each defined tensor the variables that Rocq makes arguments of it."""
        found: dict[str, frozenset[str]] = {}
        for definition in self.definitions:
            own: set[str] = set()
            for term in definition.body.terms:
                own |= self._of_term(term, {i.name for i in definition.indices}, found)
            found[definition.tensor.name] = frozenset(own)
        return found

    def _of_term(self, term: Sum, bound: set[str], found: dict[str, frozenset[str]]) -> set[str]:
        own = {self.names.variable(n) for n in term.names - bound - term.bound}
        own |= {"half"} if "half" in number(term.coefficient) else set()
        for factor in term.factors:
            own |= {self.names.function(factor.function)} if isinstance(factor, Apply) else set()
            entry = entry_of(factor)
            assert entry is not None
            own |= found.get(entry.tensor.name, {self.names.tensor(entry.tensor.name)})
        return own

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """What the sections are about, in the order in which it is declared."""
        names = self.names
        return (
            *(["half"] if self.halves else []),
            *map(names.function, self.functions),
            *map(names.variable, self.sizes),
            *(names.tensor(t.name) for t in self.claim.setting.inputs),
        )

    def constant(self, tensor: str, dual: bool = False) -> str:
        """The defined tensor outside of its section: a constant with arguments, over R or over dual R."""
        needs = self.needs[tensor]
        sizes = {*map(self.names.variable, self.sizes)}
        spelled = [
            v if not dual or v in sizes else ("(fixed half)" if v == "half" else f"dual_{v}")
            for v in self.variables
            if v in needs
        ]
        ring = "(dual R)" if dual else "R"
        return " ".join([f"Definitions.{self.names.tensor(tensor)}", ring, *spelled])

    # ---- text -----------------------------------------------------------------------------------------

    def declared(self) -> Lines:
        names, inputs = self.names, self.claim.setting.inputs
        ranks: dict[int, list[str]] = {}
        lines = ["Variable R : ring."]
        lines += ["Variable half : R."] if self.halves else []
        lines += listed(map(names.function, self.functions), "R -> R")
        lines += listed(map(names.variable, self.sizes), "Z")
        for tensor in inputs:
            ranks.setdefault(len(tensor.shape), []).append(names.tensor(tensor.name))
        return lines + [f"Variable {names.tensor(t.name)} : {arrow(len(t.shape))}R." for t in inputs]

    def section(self) -> Lines:
        lines = ["Module Definitions.", "Section Over_a_ring.", *self.declared()]
        for definition in self.definitions:
            indices = " ".join(self.names.variable(i.name) for i in definition.indices)
            head = f"Definition {self.names.tensor(definition.tensor.name)}" + (
                f" ({indices} : Z)" if indices else ""
            )
            lines.append(f"{head} : R :=\n  {self.names.expr(definition.body)}.")
        return [*lines, "End Over_a_ring.", "End Definitions."]

    def notations(self) -> Lines:
        return [
            f"Local Notation {self.names.tensor(d.tensor.name)} := ({self.constant(d.tensor.name)})."
            for d in self.definitions
        ]
