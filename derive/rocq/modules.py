"""Owns the script of a claim: definitions, a lemma for each step, both sides meeting, the theorem."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from derive.claim import Argument, Step
from derive.equality import same_term
from derive.expr import Expr, Partial, Read, Sum
from derive.rocq.bounds import Bounds
from derive.rocq.definitions import Listing
from derive.rocq.derivatives import Derivatives
from derive.rocq.facts import Sides
from derive.rocq.layout import Layout
from derive.rocq.lines import Lines, each
from derive.rocq.names import Names
from derive.rocq.statement import Statement, inverted
from derive.rocq.steps import RULES, Work, meet
from derive.steps import Context, replay

Numbers = tuple[Sequence[str], Sequence[str]]
"""The printed numbers of the steps of the definition side and of the closed-form side."""


@dataclass(frozen=True)
class ClaimScript:
    """One claim with its argument as a Rocq module."""

    title: str
    argument: Argument
    sides: Sides
    numbers: Numbers

    @cached_property
    def listing(self) -> Listing:
        return Listing(self.argument.claim)

    @property
    def names(self) -> Names:
        return self.listing.names

    @cached_property
    def context(self) -> Context:
        return Context(self.argument.claim.setting, self.argument.claim.indices)

    @cached_property
    def stated(self) -> Statement:
        return Statement(self.listing, inverted(self.argument))

    @cached_property
    def bounds(self) -> Bounds:
        return Bounds(self.listing, self.argument, self.sides)

    def text(self) -> Lines:
        left = Side(self, self.argument.claim.left, self.argument.left_steps, "left", self.numbers[0])
        right = Side(
            self, self.argument.claim.right.body, self.argument.right_steps, "right", self.numbers[1]
        )
        return [
            f"Module {self.title}.",
            *self.listing.section(),
            *self.bounds.text(),
            "Section Proof.",
            'Set Default Proof Using "All".',
            *self.listing.declared(),
            *self.listing.notations(),
            *self.stated.hypotheses(),
            *self._algebra(),
            *self._derivatives(),
            *left.text(),
            *right.text(),
            *self._theorem(left, right),
            "End Proof.",
            *self.stated.witness(self.argument),
            *self.statement(),
            *Layout(self.listing, self.stated, self.bounds).text(),
            f"End {self.title}.",
        ]

    def _algebra(self) -> Lines:
        halves = "first [ring [half_law] | rewrite <- half_law; ring]"
        return [
            "Add Ring ring_of_proof : (laws R).",
            f"Ltac algebra := {halves if self.listing.halves else 'ring'}.",
        ]

    def _derivatives(self) -> Lines:
        factor = self.argument.claim.left.terms[0].factors[0]
        if not isinstance(factor, Partial):
            return []
        found = Derivatives(self.listing, factor.wrt.index)
        return [*found.operands(), *found.lemmas()]

    def _theorem(self, left: Side, right: Side) -> Lines:
        claim, names = self.argument.claim, self.names
        target = names.read(Read(claim.right.tensor, tuple(i.form for i in claim.indices)))
        lines = meeting(names, left.last, right.last)
        return [
            "(* both sides are the same sum *)",
            f"Lemma sides_meet :\n  {names.expr(left.last)} =\n  {names.expr(right.last)}.",
            "Proof.",
            *lines,
            "Qed.",
            f"Theorem holds : {names.expr(claim.left)} = {target}.",
            f"Proof. unfold Definitions.{names.tensor(claim.right.tensor.name)}. "
            f"exact (eq_trans {left.name} (eq_trans sides_meet (eq_sym {right.name}))). Qed.",
        ]

    def statement(self) -> Lines:
        """The theorem, closed: nothing but what it quantifies over is supposed."""
        return [f"Theorem theorem :\n  {self.stated.text()}.", "Proof. exact holds. Qed."]


@dataclass
class Side:
    """One side of a claim with its steps."""

    script: ClaimScript
    start: Expr
    steps: Sequence[Step]
    side: str
    numbers: Sequence[str]

    @property
    def last(self) -> Expr:
        return self.steps[-1].after if self.steps else self.start

    @property
    def name(self) -> str:
        return f"{self.side}_side"

    def text(self) -> Lines:
        names, lines = self.script.names, []
        proof: Lines = []
        current = self.start
        for place, (step, number) in enumerate(zip(self.steps, self.numbers, strict=True)):
            title = f"{self.side}_{place + 1}"
            lines += self._lemma(title, number, current, step)
            proof += self._use(title, current, step)
            current = step.after
        lines += [
            f"Lemma {self.name} :\n  {names.expr(self.start)} =\n  {names.expr(self.last)}.",
            "Proof.",
            *proof,
            "reflexivity.",
            "Qed.",
        ]
        return lines

    def _changed(self, current: Expr, step: Step) -> tuple[tuple[Sum, ...], tuple[Sum, ...]]:
        """The terms that a step is about, and what they become."""
        at = step.arguments["term"]
        if step.rule == "collect":
            other = step.arguments["other"]
            fewer = len(step.after.terms) == len(current.terms) - 1
            return (current.terms[at], current.terms[other]), step.after.terms[at : at + 1] if fewer else ()
        count = len(step.after.terms) - len(current.terms) + 1
        return (current.terms[at],), step.after.terms[at : at + count]

    def _lemma(self, title: str, number: str, current: Expr, step: Step) -> Lines:
        names = self.script.names
        before, after = self._changed(current, step)
        comment = f"(* ({number}) {step.rule}{': ' + words(step.reason) if step.reason else ''} *)"
        if step.rule == "collect":
            proof = collected(names, before, after)
        else:
            arguments = {**step.arguments, "term": 0}
            _, needed = replay(self.script.context, Expr(before), step.rule, arguments)
            work = Work(
                self.script.context,
                self.script.sides,
                before[0],
                after,
                step,
                needed,
                list(step.certificates),
            )
            proof = RULES[step.rule](work)
        return [
            comment,
            f"Lemma {title} :\n  {names.expr(before)} =\n  {names.expr(after)}.",
            "Proof.",
            *proof,
            "Qed.",
        ]

    def _use(self, title: str, current: Expr, step: Step) -> Lines:
        names = self.script.names
        if len(current.terms) == 1:
            return [f"etransitivity; [exact {title}|]."]
        after = names.expr(step.after)
        if step.rule != "collect":
            return [f"transitivity ({after}); [rewrite {title}; algebra|]."]
        pair, _ = self._changed(current, step)
        rest = [
            t
            for j, t in enumerate(current.terms)
            if j not in (step.arguments["term"], step.arguments["other"])
        ]
        moved = f"({names.expr(rest)}) +! ({names.expr(pair)})"
        return [f"transitivity ({after}); [transitivity ({moved}); [algebra | rewrite {title}; algebra]|]."]


def words(reason: str) -> str:
    return reason.replace("(*", "( *").replace("*)", "* )").replace('"', "'")


def collected(names: Names, before: Sequence[Sum], after: Sequence[Sum]) -> Lines:
    """c f + d f = (c + d) f: the second in the words of the first, then term by term."""
    first, second = before
    like = _like(first, second)
    lines: Lines = []
    if like != second:
        lines += [
            f"assert (_E : {names.term(second)} = {names.term(like)}).",
            "{",
            *meet(names, second, like),
            "}",
        ]
        lines += ["try rewrite _E."]
    rule = "sum_ext" if after else "sum_zero"
    for index in first.indices:
        spelled = names.variable(index.name)
        lines.append(f"rewrite <- sum_add; apply {rule}; intros {spelled} _; cbv beta.")
    return [*lines, "open_brackets; algebra."]


def _like(first: Sum, second: Sum) -> Sum:
    return Sum(first.indices, first.conditions, first.factors, second.coefficient)


def meeting(names: Names, left: Expr, right: Expr) -> Lines:
    """The two normal forms term by term, in whatever order."""
    unused = list(right.terms)
    pairs = []
    for term in left.terms:
        match = next(t for t in unused if same_term(term, t))
        unused.remove(match)
        pairs.append((term, match))
    if not pairs:
        return ["reflexivity."]
    lines = []
    if len(pairs) > 1:
        lines.append(f"transitivity ({names.expr([theirs for _, theirs in pairs])}); [|algebra].")
    return [*lines, *each([meet(names, mine, theirs) for mine, theirs in pairs])]


Numbering = Mapping[str, Numbers]


def modules(arguments: Mapping[str, Argument], numbers: Numbering) -> Lines:
    """The certificates of all claims as lemmas, then a module for each claim."""
    lemmas: dict[str, str] = {}
    lines: Lines = []
    for key, argument in arguments.items():
        names = Listing(argument.claim).names
        lines += ClaimScript(module(key), argument, Sides(names, lemmas), numbers[key]).text()
    return ["(* ---- the certificates of all side conditions ---- *)", *Sides(names, lemmas).text(), *lines]


def module(key: str) -> str:
    """The module of a claim: 'input' and 'sum 1, 2 axes' have to be spelled as names."""
    return "Claim_" + re.sub(r"\W+", "_", key)
