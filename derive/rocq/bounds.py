"""Owns what is shown of the sizes alone: reads inside their tensors, lengths by division, definitions that
depend on nothing outside of their operands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from derive.certify import known, settled, to_show
from derive.check import upkeep
from derive.claim import Argument, Certificate, Fact
from derive.expr import Apply, Definition, Factor, Read, Sum, entry_of
from derive.index import Form, Within, name
from derive.rocq.definitions import Listing
from derive.rocq.facts import Scope, Sides
from derive.rocq.lines import Lines, each

Key = tuple[tuple[Fact, ...], Form]


@dataclass(frozen=True)
class Bounds:
    """The lemmas about the definitions of one claim; they stand in a section with the facts about sizes."""

    listing: Listing
    argument: Argument
    sides: Sides

    @cached_property
    def certificates(self) -> dict[Key, Certificate]:
        """The certificates of the claim's well-formedness, by what they show."""
        pending = [o for o in upkeep(self.argument.claim) if not settled(o)]
        return {(o.facts, o.goal): c for o, c in zip(pending, self.argument.upkeep, strict=True)}

    def scope(self, definition: Definition, term: Sum) -> Scope:
        facts = len(self.listing.claim.setting.facts)
        return Scope(self.sides, facts, (), (*definition.indices, *term.indices), term.conditions)

    def _facts(self, definition: Definition, term: Sum) -> tuple[Fact, ...]:
        return known(self.listing.claim.setting, (*definition.indices, *term.indices), term.conditions)

    def inside(self, definition: Definition, term: Sum, entry: Read) -> Iterator[tuple[str, str]]:
        """For each axis of a read the statement that it is inside, and the proof."""
        names, scope, facts = self.sides.names, self.scope(definition, term), self._facts(definition, term)
        for form, extent in zip(entry.index, entry.tensor.shape, strict=True):
            needed = to_show(facts, Within(form, extent), "")
            found = [self.certificates[(o.facts, o.goal)] for o in needed if not settled(o)]
            yield f"0 <= {names.form(form)} < {names.atom(extent)}", scope.within(form, extent, needed, found)

    def text(self) -> Lines:
        lines = ["Section Sizes.", 'Set Default Proof Using "All".', *self._sizes()]
        return [*lines, *self.lengths(), *self.reads(), "End Sizes."]

    def _sizes(self) -> Lines:
        names, listing = self.sides.names, self.listing
        spelled = " ".join(map(names.variable, listing.sizes))
        lines = [f"Variables {spelled} : Z."] if spelled else []
        return lines + [
            f"Hypothesis fact_{n} : {names.fact(f)}." for n, f in enumerate(listing.claim.setting.facts)
        ]

    # ---- reads ----------------------------------------------------------------------------------------

    def reads(self) -> Lines:
        """Every read of every definition is inside its tensor, under the conditions that it stands under."""
        lines: Lines = []
        for definition in self.listing.definitions:
            for number, term in enumerate(definition.body.terms):
                lines += self._reads(definition, number, term)
        return lines

    def _reads(self, definition: Definition, number: int, term: Sum) -> Lines:
        names = self.sides.names
        entries = [e for f in term.factors if (e := entry_of(f)) is not None]
        parts = [part for e in entries for part in self.inside(definition, term, e)]
        if not parts:
            return []
        indices = (*definition.indices, *term.indices)
        spelled = [names.variable(i.name) for i in indices]
        ranges = [f"0 <= {v} < {names.atom(i.extent)} -> " for v, i in zip(spelled, indices, strict=True)]
        guard = f"{names.conditions(term.conditions)} = true ->" if term.conditions else ""
        head = f"forall {' '.join(spelled)} : Z, " if spelled else ""
        introduced = [f"{v}_range" for v in spelled] + (["_c"] if term.conditions else [])
        inside = " /\\ ".join(statement for statement, _ in parts)
        proof = parts[-1][1]
        for _, earlier in reversed(parts[:-1]):
            proof = f"(conj {earlier} {proof})"
        return [
            f"(* every read of {definition.tensor.name}, term {number + 1}, is inside its tensor *)",
            f"Lemma reads_{names.tensor(definition.tensor.name)}_{number + 1} :",
            f"  {head}{''.join(ranges)}{guard}",
            f"  {inside}.",
            f"Proof. intros {' '.join([*spelled, *introduced])}. exact {proof}. Qed.",
        ]

    # ---- lengths --------------------------------------------------------------------------------------

    def lengths(self) -> Lines:
        """A length that the hypotheses give by quotient and remainder is the rounded-down quotient."""
        names, facts = self.sides.names, self.listing.claim.setting.facts
        places = {(f.form, f.equal): n for n, f in enumerate(facts)}
        lines: Lines = []
        for place, fact in enumerate(facts):
            for length, step, left_over in _quotients(fact):
                low, high = (name(left_over), False), (name(step) - 1 - name(left_over), False)
                if low not in places or high not in places:
                    continue
                sign = 1 if fact.form.coefficient(left_over) == Form.of(-1) else -1
                whole = fact.form * sign + name(length) * name(step) + name(left_over) - name(step)
                spelled, stride, rest = map(names.variable, (length, step, left_over))
                by = "same_by" if sign == 1 else "same_by_flip"
                lines += [
                    "(* a length, rounded down *)",
                    f"Lemma length_{spelled} : {spelled} = ({names.form(whole)}) / {stride} + 1.",
                    f"Proof. exact (quotient {spelled} {stride} {rest} _ ({names.form(whole)})",
                    f"  fact_{places[low]} fact_{places[high]} ltac:(ring) ({by} _ ({names.form(whole)})",
                    f"  ({stride} * ({spelled} - 1) + {rest}) fact_{place} ltac:(ring))). Qed.",
                ]
        return lines


def _quotients(fact: Fact) -> Iterator[tuple[str, str, str]]:
    """(length, stride, leftover) where an equation reads  whole = length * stride + leftover."""
    if not fact.equal:
        return
    for monomial, coefficient in fact.form.terms:
        for single, also in fact.form.terms:
            if (
                len(monomial) == 2
                and len(single) == 1
                and coefficient == also
                and abs(also) == 1
                and monomial[0] != monomial[1]
            ):
                for length, step in (monomial, monomial[::-1]):
                    yield length, step, single[0]


@dataclass(frozen=True)
class Extensional:
    """Lemmas that a definition reads its operands inside their shapes only, over any ring."""

    bounds: Bounds
    reached: Sequence[Definition]
    operand: str

    def text(self) -> Lines:
        """Where operands agree inside the shape of `operand`, the definitions behind the loss agree."""
        return [line for definition in self.reached for line in self._lemma(definition)]

    def _lemma(self, definition: Definition) -> Lines:
        listing = self.bounds.listing
        names, title = listing.names, definition.tensor.name
        spelled = [names.variable(i.name) for i in definition.indices]
        ranges = "".join(
            f"0 <= {v} < {names.atom(i.extent)} -> " for v, i in zip(spelled, definition.indices, strict=True)
        )
        first, second = (self.applied(title, o, spelled) for o in (self.operand, f"{self.operand}'"))
        head = f"forall {' '.join(spelled)} : Z, " if spelled else ""
        proof = [
            f"Proof. intros {' '.join([*spelled, *(f'{v}_range' for v in spelled)])}.",
            f"unfold Definitions.{names.tensor(title)}.",
        ]
        blocks = [self._term(definition, term) for term in definition.body.terms]
        return [
            f"Lemma ext_{names.tensor(title)} : {head}{ranges}\n  {first} =\n  {second}.",
            *proof,
            *each(blocks),
            "Qed.",
        ]

    def applied(self, title: str, operand: str, places: Sequence[str]) -> str:
        text = f" {self.bounds.listing.constant(title)} "
        text = text.replace(f" {self.operand} ", f" {operand} ")
        return " ".join([text.strip(), *places])

    def _term(self, definition: Definition, term: Sum) -> Lines:
        names = self.bounds.listing.names
        lines = [
            f"apply sum_ext; intros {names.variable(i.name)} {names.variable(i.name)}_range; cbv beta."
            for i in term.indices
        ]
        lines += ["apply brk_ext; intro _c."] if term.conditions else []
        factors = [self._factor(definition, term, f) for f in term.factors]
        scale = ["reflexivity."] if names.product(term.coefficient, ["_"]) != "_" else []
        blocks = [*([scale] if scale else []), *([f] for f in factors)]
        return [*lines, *each(blocks, "apply mul_same.")]

    def _factor(self, definition: Definition, term: Sum, factor: Factor) -> str:
        listing = self.bounds.listing
        entry = entry_of(factor)
        assert entry is not None
        title = listing.names.tensor(entry.tensor.name)
        if not (title == self.operand or self.operand in listing.needs.get(entry.tensor.name, ())):
            return "reflexivity."
        lemma = "agree" if title == self.operand else f"ext_{title}"
        proofs = [p for _, p in self.bounds.inside(definition, term, entry)]
        places = [listing.names.atom(f) for f in entry.index]
        outer = (
            f"apply (f_equal {listing.names.function(factor.function)}). "
            if isinstance(factor, Apply)
            else ""
        )
        return f"{outer}exact ({' '.join([lemma, *places, *proofs])})."
