"""Owns the corollary in PyTorch's layout: axes that the language keeps apart (group, channel) as one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from derive.expr import Partial, Read, Tensor
from derive.index import Form
from derive.rocq.bounds import Bounds, Extensional
from derive.rocq.definitions import Listing, arrow
from derive.rocq.derivatives import Derivatives
from derive.rocq.lines import Lines
from derive.rocq.statement import Statement


def groups(tensor: Tensor) -> tuple[tuple[int, ...], ...]:
    """Which axes of the language make one axis of the user, in order."""
    return tensor.layout or tuple((axis,) for axis in range(len(tensor.shape)))


def complete(tensor: Tensor) -> bool:
    """Whether every axis is seen, in the order of the language."""
    return [axis for group in groups(tensor) for axis in group] == list(range(len(tensor.shape)))


@dataclass(frozen=True)
class Layout:
    """The corollary of one claim, where its target has axes that are merged."""

    listing: Listing
    stated: Statement
    bounds: Bounds

    @property
    def wanted(self) -> bool:
        target = self.listing.claim.target
        merged = any(len(group) > 1 for group in groups(target))
        whole = all(map(complete, (*self.listing.claim.setting.inputs, target)))
        return merged and whole and not self.stated.divided and self._positive is not None

    @cached_property
    def _positive(self) -> dict[Form, str] | None:
        """The facts that the extents which are divided by are at least 1; None where one is missing."""
        facts = {f.form: n for n, f in enumerate(self.listing.claim.setting.facts) if not f.equal}
        target = self.listing.claim.target
        divisors = {target.shape[axis] for group in groups(target) for axis in group[1:]}
        if any(extent - 1 not in facts for extent in divisors):
            return None
        return {extent: f"fact_{facts[extent - 1]}" for extent in divisors}

    @property
    def derivative(self) -> Derivatives | None:
        factor = self.listing.claim.left.terms[0].factors[0]
        return Derivatives(self.listing, factor.wrt.index) if isinstance(factor, Partial) else None

    def text(self) -> Lines:
        if not self.wanted:
            return []
        return [*self._reads_only(), *self._theorem()]

    # ---- what the loss does not depend on -------------------------------------------------------------

    def _reads_only(self) -> Lines:
        if self.derivative is None:
            return []
        listing, target = self.listing, self.listing.claim.target
        spelled = listing.names.tensor(target.name)
        places = [f"_j{axis}" for axis in range(len(target.shape))]
        ranges = "".join(
            f"0 <= {p} < {listing.names.atom(n)} -> " for p, n in zip(places, target.shape, strict=True)
        )
        entry = " ".join([spelled, *places])
        return [
            "Section Reads_only.",
            'Set Default Proof Using "All".',
            *listing.declared(),
            f"Variable {spelled}' : {arrow(len(places))}R.",
            *(f"Hypothesis {title} : {text}." for title, text in self.stated.sizes()),
            f"Hypothesis agree : forall {' '.join(places)}, {ranges}{entry} = {spelled}' {' '.join(places)}.",
            *Extensional(self.bounds, self.derivative.reached, spelled).text(),
            "End Reads_only.",
        ]

    # ---- the corollary --------------------------------------------------------------------------------

    def flat(self, tensor: Tensor) -> str:
        """The tensor of the language, made of the user's array of the same name."""
        names = self.listing.names
        places = [f"_j{axis}" for axis in range(len(tensor.shape))]
        entry = " ".join([names.tensor(tensor.name), *(f"({t})" for t in self._merged(tensor, places))])
        return f"(fun {' '.join(places)} => {entry})" if places else names.tensor(tensor.name)

    def _merged(self, tensor: Tensor, places: Sequence[str]) -> list[str]:
        """The user's places of an entry, row by row."""
        found = []
        for group in groups(tensor):
            text = places[group[0]]
            for axis in group[1:]:
                text = f"{text} * {self.listing.names.atom(tensor.shape[axis])} + {places[axis]}"
                text = f"({text})" if axis != group[-1] else text
            found.append(text)
        return found

    @cached_property
    def user(self) -> list[tuple[str, str]]:
        """The user's indices of the target with their extents."""
        names, target, found = self.listing.names, self.listing.claim.target, []
        for number, group in enumerate(groups(target)):
            extent = names.atom(target.shape[group[0]])
            for axis in group[1:]:
                extent = f"({extent} * {names.atom(target.shape[axis])})"
            found.append((f"_m{number}", extent))
        return found

    @cached_property
    def split(self) -> list[tuple[str, str]]:
        """For each axis of the language its place, and the proof that it is in range."""
        names, target = self.listing.names, self.listing.claim.target
        positive = self._positive or {}
        found: dict[int, tuple[str, str]] = {}
        for (variable, _), group in zip(self.user, groups(target), strict=True):
            place, proof = variable, f"{variable}_range"
            for axis in reversed(group[1:]):
                extent = target.shape[axis]
                spelled = names.atom(extent)
                found[axis] = (
                    f"({place} mod {spelled})",
                    f"(flat_column {place} {spelled} {positive[extent]})",
                )
                proof = f"(flat_row {place} {spelled} _ {positive[extent]} {proof})"
                place = f"({place} / {spelled})"
            found[group[0]] = (place, proof)
        return [found[axis] for axis in range(len(target.shape))]

    def _arguments(self, tensors: dict[str, str]) -> dict[str, str]:
        return {v: tensors.get(v, v) for v in self.listing.variables}

    @cached_property
    def _flattened(self) -> dict[str, str]:
        """What stands for each variable of the theorem: tensors made of the user's arrays."""
        inputs = self.listing.claim.setting.inputs
        return self._arguments({self.listing.names.tensor(t.name): self.flat(t) for t in inputs})

    def statement(self) -> Lines:
        """The corollary without its proof, as one text; nothing where no axes are merged."""
        if not self.wanted:
            return []
        arguments = self._flattened
        title = self.listing.claim.right.tensor.name
        right = " ".join([self._applied(title, arguments), *(p for p, _ in self.split)])
        ranges = " -> ".join(f"0 <= {v} < {n}" for v, n in self.user)
        lines = [
            "Theorem theorem_in_pytorch_layout :",
            *self._quantified(),
            f"  forall {' '.join(v for v, _ in self.user)} : Z, {ranges} ->",
            f"  {self._left(arguments)} =\n  {right}.",
        ]
        return ["\n".join(lines)]

    def _theorem(self) -> Lines:
        arguments = self._flattened
        facts = " ".join(title for title, _ in self.stated.sizes())
        laws = " ".join(title for title, _ in self.stated.laws())
        given = " ".join(["theorem R", *arguments.values(), facts, *self._given(), laws])
        return [
            "(* the same in PyTorch's layout *)",
            *self.statement(),
            "Proof.",
            f"intros R {' '.join(arguments)} {facts} {laws}",
            f"  {' '.join([*(v for v, _ in self.user), *(f'{v}_range' for v, _ in self.user)])}.",
            *self._moved(arguments),
            f"exact ({given}).",
            "Qed.",
        ]

    def _given(self) -> Lines:
        """The places of the theorem with what it supposes of them."""
        names, lines = self.listing.names, []
        for index, (place, proof) in zip(self.listing.claim.indices, self.split, strict=True):
            variable = names.variable(index.name)
            high = names.form(index.extent - 1 - index.form)
            put = re.sub(rf"(?<![\w']){re.escape(variable)}(?![\w'])", place, high)
            top = f"(range_high {place} {names.atom(index.extent)} ({put}) {proof} ltac:(ring))"
            lines.append(f"{place} (proj1 {proof}) {top}")
        return lines

    def _quantified(self) -> Lines:
        """Sizes and hypotheses as in the theorem, with arrays of the user's rank."""
        names = self.listing.names
        binders = self.stated.binders()
        for tensor in self.listing.claim.setting.inputs:
            spelled = names.tensor(tensor.name)
            binders = binders.replace(
                f"({spelled} : {arrow(len(tensor.shape))}R)", f"({spelled} : {arrow(len(groups(tensor)))}R)"
            )
        lines = [f"  forall {binders},", *(f"  {text} ->" for _, text in self.stated.sizes())]
        return [*lines, *(f"  ({text}) ->" for _, text in self.stated.laws())]

    def _applied(self, tensor: str, arguments: dict[str, str], ring: str = "R") -> str:
        needs = self.listing.needs[tensor]
        used = [text for v, text in arguments.items() if v in needs]
        return " ".join([f"Definitions.{self.listing.names.tensor(tensor)} {ring}", *used])

    def _left(self, arguments: dict[str, str]) -> str:
        factor = self.listing.claim.left.terms[0].factors[0]
        if not isinstance(factor, Partial):
            assert isinstance(factor, Read)
            return " ".join([self._applied(factor.tensor.name, arguments), *(p for p, _ in self.split)])
        return f"eps ({self._applied(factor.of.tensor.name, self._dual(self._user_seed()), '(dual R)')})"

    def _dual(self, seed: str) -> dict[str, str]:
        """The operands over dual numbers, an eps where `seed` says."""
        listing, names = self.listing, self.listing.names
        found = {v: v for v in listing.variables} | {"half": "(fixed half)"}
        for tensor in listing.claim.setting.inputs:
            places = [f"_j{axis}" for axis in range(len(tensor.shape))]
            entry = " ".join([names.tensor(tensor.name), *(f"({t})" for t in self._merged(tensor, places))])
            body = f"seeded ({entry}) ({seed})" if tensor == listing.wrt else f"fixed ({entry})"
            found[names.tensor(tensor.name)] = (
                f"(fun {' '.join(places)} => {body})" if places else f"({body})"
            )
        return {v: found[v] for v in listing.variables}

    def _user_seed(self) -> str:
        target = self.listing.claim.target
        merged = self._merged(target, [f"_j{axis}" for axis in range(len(target.shape))])
        return " && ".join(f"({text} - {v} =? 0)" for text, (v, _) in zip(merged, self.user, strict=True))

    def _moved(self, arguments: dict[str, str]) -> Lines:
        """From the user's place of the eps to the language's: they agree inside the target."""
        if self.derivative is None:
            return []
        factor = self.listing.claim.left.terms[0].factors[0]
        assert isinstance(factor, Partial)
        target = self.listing.claim.target
        places = [f"_j{axis}" for axis in range(len(target.shape))]
        seed = " && ".join(f"({j} - {p} =? 0)" for j, (p, _) in zip(places, self.split, strict=True))
        ours, theirs = self._dual(seed), self._dual(self._user_seed())
        loss = factor.of.tensor.name
        facts = " ".join(title for title, _ in self.stated.sizes())
        spelled = self.listing.names.tensor(target.name)
        return [
            f"transitivity (eps ({self._applied(loss, ours, '(dual R)')})).",
            "{ apply (f_equal eps).",
            f"  apply (ext_{self.listing.names.tensor(loss)} (dual R)",
            f"    {' '.join(theirs.values())} {ours[spelled]} {facts}).",
            f"  intros {' '.join([*places, *(f'{p}_range' for p in places)])}. apply (f_equal (seeded _)).",
            *self._places(target),
            "  rewrite ?andb_assoc; reflexivity. }",
        ]

    def _places(self, target: Tensor) -> Lines:
        lines = []
        for (variable, _), group in zip(self.user, groups(target), strict=True):
            place = variable
            for axis in reversed(group[1:]):
                spelled = self.listing.names.atom(target.shape[axis])
                lines.append(f"  rewrite (flat_place {place} {spelled} _ _ _j{axis}_range).")
                place = f"({place} / {spelled})"
        return lines
