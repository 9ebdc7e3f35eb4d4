"""Owns proofs of side conditions: certificates as lemmas, and which hypothesis says which fact where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

from derive.certify import Obligation, settled
from derive.claim import Certificate, Fact
from derive.index import Condition, Form, Index, Within, Zero, name
from derive.rocq.names import Names


@dataclass
class Sides:
    """The certificates of a script as lemmas over whole numbers, each stated once."""

    names: Names
    lemmas: dict[str, str] = field(default_factory=dict)

    def lemma(self, obligation: Obligation, certificate: Certificate) -> tuple[str, list[str], list[int]]:
        """The lemma's name, the variables it is about, and the numbers of the facts it takes."""
        used = sorted(
            {i for _, numbers in certificate.products for i in numbers if i >= 0}
            | {i for i, _ in certificate.multiples}
        )
        forms = [obligation.goal, *(obligation.facts[i].form for i in used)]
        letters = sorted(frozenset().union(*(f.names for f in forms)) | _multiplier_names(certificate))
        text = self._text(obligation, certificate, used, letters)
        title = self.lemmas.setdefault(text, f"side_{len(self.lemmas) + 1}")
        return title, letters, used

    def _text(
        self, obligation: Obligation, certificate: Certificate, used: Sequence[int], letters: Sequence[str]
    ) -> str:
        names, facts = self.names, obligation.facts
        head = f" : forall {' '.join(map(names.variable, letters))} : Z," if letters else " :"
        premises = "".join(f"\n  {names.fact(facts[i])} ->" for i in used)
        positive, nothing, scale = _scaled(names, obligation, certificate)
        named = [f"_f{i}" for i in used]
        equal = [f"_f{i}" for i, _ in certificate.multiples]
        factors = {i for _, numbers in certificate.products for i in numbers if i >= 0}
        also = "".join(f"pose proof (equal_low _ _f{i}). " for i in sorted(factors) if facts[i].equal)
        rewriting = f"rewrite {', '.join(f'!{e}' for e in dict.fromkeys(equal))}. " if equal else ""
        proof = (
            f"Proof. intros {' '.join([*map(names.variable, letters), *named])}.\n"
            f"  apply (certificate {names.atom(obligation.goal)}\n    ({positive})\n"
            f"    ({nothing}) {scale}%positive).\n"
            f"  - intro _f. {also}nonnegative.\n  - {rewriting}ring.\n  - ring.\nQed."
        )
        return f"{head}{premises}\n  0 <= {names.form(obligation.goal)}.\n{proof}"

    def text(self) -> list[str]:
        return [f"Lemma {title}{text}" for text, title in self.lemmas.items()]


def _multiplier_names(certificate: Certificate) -> frozenset[str]:
    return frozenset(
        n for _, multiplier in certificate.multiples for monomial, _ in multiplier for n in monomial
    )


def _scaled(names: Names, obligation: Obligation, certificate: Certificate) -> tuple[str, str, int]:
    """With whole coefficients: what is not negative, what is 0, and minus what the two sum to."""
    weights = [Fraction(c) for c, _ in certificate.products]
    weights += [Fraction(c) for _, multiplier in certificate.multiples for _, c in multiplier]
    scale = lcm(*(w.denominator for w in weights))
    negated = f"(- {names.atom(obligation.goal)} - 1)"
    parts = []
    for text, numbers in certificate.products:
        factors = [negated if i < 0 else names.atom(obligation.facts[i].form) for i in numbers]
        weight = int(Fraction(text) * scale)
        product = factors if weight == 1 and factors else [str(weight), *factors]
        parts.append(" * ".join(product))
    zeros = []
    for i, multiplier in certificate.multiples:
        form = Form.collect((tuple(sorted(m)), int(Fraction(c) * scale)) for m, c in multiplier)
        zeros.append(f"{names.atom(form)} * {names.atom(obligation.facts[i].form)}")
    return " + ".join(parts) or "0", " + ".join(zeros) or "0", scale


@dataclass(frozen=True)
class Scope:
    """Where a side condition is proved: free and summed indices, conditions, and what they are called.

    `holds` is the name of the hypothesis that all conditions hold; free indices have hypotheses of their own.
    """

    sides: Sides
    facts: int
    free: Sequence[Index]
    bound: Sequence[Index]
    conditions: Sequence[Condition]
    holds: str = "_c"

    def fact(self, number: int) -> str:
        """The proof of fact `number` of `certify.known`, as it is stated there."""
        if number < self.facts:
            return f"fact_{number}"
        number -= self.facts
        if number < 2 * len(self.free):
            return f"{self._name(self.free[number // 2])}_{('low', 'high')[number % 2]}"
        number -= 2 * len(self.free)
        if number < 2 * len(self.bound):
            return self._range(self.bound[number // 2], number % 2)
        number -= 2 * len(self.bound)
        for place, condition in enumerate(self.conditions):
            count = 1 if isinstance(condition, Zero) else 2
            if number < count:
                return self._conditional(place, condition, number)
            number -= count
        raise IndexError(number)

    def _name(self, index: Index) -> str:
        return self.sides.names.variable(index.name)

    def _range(self, index: Index, which: int) -> str:
        if which == 0:
            return f"(proj1 {self._name(index)}_range)"
        high = self.sides.names.form(index.extent - 1 - name(index.name))
        return f"(range_high _ _ ({high}) {self._name(index)}_range ltac:(ring))"

    def condition(self, place: int) -> str:
        """The proof that condition number `place` holds."""
        text = self.holds
        for _ in range(len(self.conditions) - 1 - place):
            text = f"(and_left _ _ {text})"
        return f"(and_right _ _ {text})" if place else text

    def _conditional(self, place: int, condition: Condition, which: int) -> str:
        holds = self.condition(place)
        match condition:
            case Zero():
                return f"(zero_elim _ {holds})"
            case Within(form, high) if which:
                return f"(inside_high _ _ ({self.sides.names.form(high - 1 - form)}) {holds} ltac:(ring))"
            case _:
                return f"(inside_low _ _ {holds})"

    def show(self, obligation: Obligation, certificates: list[Certificate]) -> str:
        """A proof of 0 <= goal; takes the next certificate where the obligation needs one."""
        if not settled(obligation):
            title, letters, used = self.sides.lemma(obligation, certificates.pop(0))
            arguments = [*map(self.sides.names.variable, letters), *(self.fact(i) for i in used)]
            return f"({title} {' '.join(arguments)})" if arguments else title
        constant = obligation.goal.constant
        if constant is not None and constant >= 0:
            return f"(proj1 (Z.leb_le 0 {constant}) eq_refl)"
        return self._stated(obligation)

    def _stated(self, obligation: Obligation) -> str:
        for number, fact in enumerate(obligation.facts):
            if fact.form == obligation.goal and not fact.equal:
                return self.fact(number)
            if fact.equal and fact.form == obligation.goal:
                return f"(equal_low _ {self.fact(number)})"
            if fact.equal and fact.form == -obligation.goal:
                goal = self.sides.names.form(obligation.goal)
                return f"(equal_high _ ({goal}) {self.fact(number)} ltac:(ring))"
        raise LookupError(str(obligation.goal))

    def within(
        self, form: Form, high: Form, needed: list[Obligation], certificates: list[Certificate]
    ) -> str:
        """A proof of 0 <= form < high from its two obligations."""
        low, top = (self.show(needed.pop(0), certificates) for _ in range(2))
        names = self.sides.names
        rest = names.form(high - 1 - form)
        return f"(range_intro {names.atom(form)} {names.atom(high)} ({rest}) {low} {top} ltac:(ring))"

    def conditional(
        self, condition: Condition, needed: list[Obligation], certificates: list[Certificate]
    ) -> str:
        """A proof that a condition holds, from its two obligations."""
        low, top = (self.show(needed.pop(0), certificates) for _ in range(2))
        names = self.sides.names
        match condition:
            case Zero(form):
                return f"(zero_intro {names.atom(form)} ({names.form(-form)}) {low} {top} ltac:(ring))"
            case Within(form, high):
                rest = names.form(high - 1 - form)
                return (
                    f"(inside_intro {names.atom(form)} {names.atom(high)} ({rest}) {low} {top} ltac:(ring))"
                )


def all_of(proofs: Sequence[str]) -> str:
    """A proof of a conjunction as conditions are written."""
    text = proofs[0] if proofs else "eq_refl"
    for proof in proofs[1:]:
        text = f"(and_intro _ _ {text} {proof})"
    return text


__all__ = ["Fact", "Scope", "Sides", "all_of"]
