"""Owns derivatives in Rocq: the eps part of a definition over dual numbers, and the chain rule for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from derive.expr import Definition, Expr, Factor, Partial, Read, Sum, entry_of, substitute
from derive.functions import DERIVATIVE, IDENTITY
from derive.index import Form, Index, name
from derive.rocq.definitions import Listing, arrow
from derive.rocq.lines import Lines, each
from derive.rocq.names import APART, ZERO
from derive.steps import slope


@dataclass(frozen=True)
class Derivatives:
    """Derivatives of defined tensors by one entry of an input: the eps part over dual numbers."""

    listing: Listing
    at: tuple[Form, ...]

    @property
    def reached(self) -> list[Definition]:
        """The definitions that the loss is made of, in order."""
        listing = self.listing
        factor = listing.claim.left.terms[0].factors[0]
        assert isinstance(factor, Partial)
        wanted = {factor.of.tensor.name}
        for definition in reversed(listing.claim.setting.definitions):
            if definition.tensor.name in wanted:
                wanted |= {
                    e.tensor.name for t in definition.body.terms for f in t.factors if (e := entry_of(f))
                }
        return [d for d in listing.claim.setting.definitions if d.tensor.name in wanted]

    def operands(self) -> Lines:
        """The inputs over dual numbers: an eps in the one entry, the rest as they are."""
        return [f"Definition dual_{title} : {kind} := {value}." for title, kind, value in self.seeds()]

    def seeds(self) -> list[tuple[str, str, str]]:
        listing, names = self.listing, self.listing.names
        needed = frozenset().union(*(listing.needs[d.tensor.name] for d in self.reached))
        found = []
        for function in listing.functions:
            spelled = names.function(function)
            if spelled in needed:
                found.append(
                    (spelled, "dual R -> dual R", f"lift {spelled} (fun _v => {self._slope(function, '_v')})")
                )
        for tensor in listing.claim.setting.inputs:
            spelled, rank = names.tensor(tensor.name), len(tensor.shape)
            if spelled not in needed:
                continue
            entries = [f"_j{axis}" for axis in range(rank)]
            value = " ".join([spelled, *entries])
            body = f"seeded ({value}) ({self.here(entries)})" if tensor == listing.wrt else f"fixed ({value})"
            found.append(
                (spelled, f"{arrow(rank)}dual R", f"fun {' '.join(entries)} => {body}" if entries else body)
            )
        return found

    def here(self, entries: Sequence[str]) -> str:
        """That the entry at these places is the one by which the derivative is taken."""
        parts = [f"({e} - {self.listing.names.atom(u)} =? 0)" for e, u in zip(entries, self.at, strict=True)]
        return " && ".join(parts) or "true"

    def _slope(self, function: str, at: str) -> str:
        names = self.listing.names
        pieces = DERIVATIVE.get(function, ())
        spelled = [
            names.product(scale, [at if n == IDENTITY else f"({names.function(n)} {at})" for n in factors])
            for scale, factors in pieces
        ]
        return " +! ".join(spelled) or ZERO

    def lemmas(self) -> Lines:
        """What the values and the eps parts are: of operands, of functions, of every definition."""
        listing, names = self.listing, self.listing.names
        lines: Lines = []
        for title, kind, _ in self.seeds():
            if title in set(map(names.function, listing.functions)):
                function = next(f for f in listing.functions if names.function(f) == title)
                lines += _fact(
                    f"val_{title}", "_x", f"val (dual_{title} _x) = {title} (val _x)", "values derivatives"
                )
                lines += _fact(
                    f"eps_{title}",
                    "_x",
                    f"eps (dual_{title} _x) = ({self._slope(function, '(val _x)')}) *! eps _x",
                    "derivatives",
                )
                continue
            rank = kind.count("Z ->")
            entries = [f"_j{axis}" for axis in range(rank)]
            wrt = listing.wrt is not None and names.tensor(listing.wrt.name) == title
            read = " ".join([title, *entries])
            lines += _fact(
                f"val_{title}", " ".join(entries), f"val (dual_{read}) = {read}", "values derivatives"
            )
            slope_text = f"[{self.here(entries)}] (one : R)" if wrt else ZERO
            lines += _fact(
                f"eps_{title}", " ".join(entries), f"eps (dual_{read}) = {slope_text}", "derivatives"
            )
        for definition in self.reached:
            lines += self._definition(definition)
        return lines

    def _definition(self, definition: Definition) -> Lines:
        listing, names = self.listing, self.listing.names
        title = definition.tensor.name
        spelled = names.tensor(title)
        indices = " ".join(names.variable(i.name) + APART for i in definition.indices)
        entry, dual = (
            f"{spelled} {indices}".strip(),
            f"{listing.constant(title, dual=True)} {indices}".strip(),
        )
        quantified = f"forall {indices}, " if indices else ""
        head = f" ({indices} : Z)" if indices else ""
        lines = [
            f"Lemma val_{spelled} : {quantified}val ({dual}) = {entry}.",
            f"Proof. intros. unfold Definitions.{spelled}. value. Qed.",
            f"Hint Rewrite val_{spelled} : values derivatives.",
            f"Definition d_{spelled}{head} : R := eps ({dual}).",
        ]
        lines += self._chain(definition)
        return [
            *lines,
            f"Lemma eps_{spelled} : {quantified}eps ({dual}) = d_{entry}.",
            "Proof. reflexivity. Qed.",
            f"Hint Rewrite eps_{spelled} : derivatives.",
        ]

    def _chain(self, stated: Definition) -> Lines:
        """d T = the sum over every occurrence, as the rule `chain` says it, at T's own indices."""
        definition = _apart(stated)
        names, title = self.listing.names, definition.tensor.name
        spelled = names.tensor(title)
        indices = " ".join(names.variable(i.name) for i in definition.indices)
        groups = [
            [self._piece(term, j, s) for j in range(len(term.factors)) for s in self._slopes(term.factors[j])]
            for term in definition.body.terms
        ]
        whole = " +! ".join(p for g in groups for p in g) or ZERO
        grouped = " +! ".join(f"({' +! '.join(g) or ZERO})" for g in groups) or ZERO
        entry = f"d_{spelled} {indices}".strip()
        lines = [
            f"Lemma chain_{spelled} : {f'forall {indices} : Z, ' if indices else ''}{entry} =\n  {whole}.",
            f"Proof. intros. unfold d_{spelled}, Definitions.{spelled}. rewrite ?eps_add.",
            f"transitivity ({grouped}); [|algebra].",
        ]
        return [
            *lines,
            *each([self._leaf(t, len(g)) for t, g in zip(definition.body.terms, groups, strict=True)]),
            "Qed.",
        ]

    def _leaf(self, term: Sum, pieces: int) -> Lines:
        lines = []
        for index in term.indices:
            variable = self.listing.names.variable(index.name)
            rule = "sum_ext" if pieces else "sum_zero"
            combine = "rewrite <- ?sum_add; " if pieces > 1 else ""
            lines.append(f"rewrite eps_sum; {combine}apply {rule}; intros {variable} _; cbv beta.")
        return [*lines, "autorewrite with derivatives; open_brackets; algebra."]

    def _slopes(self, factor: Factor) -> list[tuple[Fraction, list[str], str]]:
        """(scale, outer factors, inner factor or "" for the entry itself) of one occurrence."""
        entry = entry_of(factor)
        assert entry is not None
        inputs = {t.name for t in self.listing.claim.setting.inputs}
        wrt = self.listing.wrt
        if wrt is None or (entry.tensor.name in inputs and entry.tensor != wrt):
            return []
        names = self.listing.names
        inner = "" if entry.tensor == wrt else names.factor(Partial(entry, Read(wrt, self.at)))
        return [(scale, [names.factor(f) for f in outer], inner) for scale, outer in slope(factor)]

    def _piece(self, term: Sum, place: int, found: tuple[Fraction, list[str], str]) -> str:
        names, (scale, outer, inner) = self.listing.names, found
        entry = entry_of(term.factors[place])
        assert entry is not None
        rest = [names.factor(f) for j, f in enumerate(term.factors) if j != place]
        product = names.product(term.coefficient * scale, [*rest, *outer, *([inner] if inner else [])])
        conditions = [names.condition(c) for c in term.conditions]
        if not inner and entry.index:
            conditions.append(self.here([names.atom(f) for f in entry.index]))
        guard = f"[{' && '.join(conditions)}] " if conditions else ""
        return f"({names.sums(term)}{guard}({product}))"


def _apart(definition: Definition) -> Definition:
    """The definition with every index renamed, so that none is called as a free index of the claim."""

    def renamed(indices: tuple[Index, ...]) -> tuple[Index, ...]:
        return tuple(Index(i.name + APART, i.extent) for i in indices)

    def spelled(indices: tuple[Index, ...]) -> dict[str, Form]:
        return {i.name: name(i.name + APART) for i in indices}

    own = spelled(definition.indices)
    terms = [
        replace(substitute(t, {**own, **spelled(t.indices)}), indices=renamed(t.indices))
        for t in definition.body.terms
    ]
    return replace(definition, indices=renamed(definition.indices), body=Expr(tuple(terms)))


def _fact(title: str, variables: str, statement: str, bases: str) -> Lines:
    quantified = f"forall {variables}, " if variables else ""
    return [
        f"Lemma {title} : {quantified}{statement}.",
        "Proof. reflexivity. Qed.",
        f"Hint Rewrite {title} : {bases}.",
    ]
