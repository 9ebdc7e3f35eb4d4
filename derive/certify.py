"""The checker of certificates: what must be shown, and whether a certificate shows it. Trusted; no solver.

A certificate never says how it was found. Facts f_i >= 0 and e_j = 0 over the integers imply goal >= 0
when some combination  sum c_i * (products of the f and of -goal - 1) + sum m_j * e_j  with c_i >= 0 is
the constant -1: were the goal negative, that combination would be >= 0. `certified` expands it and looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from derive.claim import Certificate, Fact, Setting
from derive.errors import ProofError
from derive.index import ONE, Condition, Form, Index, Within, Zero


@dataclass(frozen=True)
class Obligation:
    """To be shown: under the facts, goal >= 0. `about` tells a reader what it is for."""

    facts: tuple[Fact, ...]
    goal: Form
    about: str


def refuse(what: str, where: str, expected: str = "", got: str = "") -> ProofError:
    return ProofError(what, where=where, expected=expected, got=got)


MOST_FACTORS, MOST_PARTS = 4, 200
RATIONAL = re.compile(r"-?[0-9]{1,40}(/[1-9][0-9]{0,39})?", re.ASCII)


def rational(text: str) -> Fraction:
    """The number that "3", "-1/2" says; anything else is refused."""
    if not isinstance(text, str) or not RATIONAL.fullmatch(text):
        raise refuse("not a rational number", "certificate", "digits, or digits/digits", repr(text)[:60])
    return Fraction(text)


def certified(obligation: Obligation, certificate: Certificate) -> bool:
    """Whether the certificate's combination is exactly the constant -1; a huge one is not looked at."""
    sizes = [len(numbers) for _, numbers in certificate.products]
    sizes += [len(monomial) for _, multiplier in certificate.multiples for monomial, _ in multiplier]
    if len(sizes) > MOST_PARTS or max(sizes, default=0) > MOST_FACTORS:
        return False
    total: dict[tuple[str, ...], Fraction] = {}

    def add(form: Form, scale: Fraction) -> None:
        for monomial, coefficient in form.terms:
            total[monomial] = total.get(monomial, Fraction(0)) + scale * coefficient

    facts = obligation.facts
    for text, numbers in certificate.products:
        scale, factor = rational(text), ONE
        if scale < 0 or not all(type(i) is int and -1 <= i < len(facts) for i in numbers):
            return False
        for i in numbers:
            factor = factor * (-obligation.goal - 1 if i == -1 else facts[i].form)
        add(factor, scale)
    for i, multiplier in certificate.multiples:
        if not (type(i) is int and 0 <= i < len(facts) and facts[i].equal):
            return False
        for monomial, text in multiplier:
            add(Form(((tuple(sorted(monomial)), 1),)) * facts[i].form, rational(text))
    return {m: c for m, c in total.items() if c} == {(): Fraction(-1)}


def settled(obligation: Obligation) -> bool:
    """Whether nothing needs to be certified: a constant >= 0, or a fact word for word."""
    constant = obligation.goal.constant
    if constant is not None and constant >= 0:
        return True
    return any(
        f.form == obligation.goal or (f.equal and f.form == -obligation.goal) for f in obligation.facts
    )


def discharge(obligations: Iterable[Obligation], certificates: Sequence[Certificate], where: str) -> None:
    """Every open obligation has its certificate, in order, and none is left over."""
    pending = [o for o in obligations if not settled(o)]
    if len(pending) != len(certificates):
        raise refuse("wrong number of certificates", where, str(len(pending)), str(len(certificates)))
    for obligation, certificate in zip(pending, certificates, strict=True):
        if not certified(obligation, certificate):
            raise refuse("certificate does not show it", where, f"{obligation.about}: {obligation.goal} >= 0")


def known(setting: Setting, indices: Iterable[Index], conditions: Iterable[Condition]) -> tuple[Fact, ...]:
    """The facts under which a body is read: hypotheses, index ranges, conditions (in that order)."""
    facts = list(setting.facts)
    for i in indices:
        facts += [Fact(i.form), Fact(i.extent - 1 - i.form)]
    for c in conditions:
        facts += stated(c)
    return tuple(facts)


def stated(condition: Condition) -> list[Fact]:
    match condition:
        case Zero(form):
            return [Fact(form, equal=True)]
        case Within(form, high):
            return [Fact(form), Fact(high - 1 - form)]


def to_show(facts: tuple[Fact, ...], condition: Condition, about: str) -> list[Obligation]:
    match condition:
        case Zero(form):
            return [Obligation(facts, form, about), Obligation(facts, -form, about)]
        case Within(form, high):
            return [Obligation(facts, form, about), Obligation(facts, high - 1 - form, about)]
