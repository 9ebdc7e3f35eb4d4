"""Owns the closed statement of a claim's theorem: everything that it supposes, quantified and in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from derive.claim import Argument
from derive.expr import Apply, Partial, Read
from derive.functions import INVERSE
from derive.rocq.definitions import Listing, arrow
from derive.rocq.derivatives import Derivatives
from derive.rocq.lines import Lines


def inverted(argument: Argument) -> tuple[Read, ...]:
    """The tensors that are divided by: whose entries the theorem supposes to have inverses."""
    found: dict[str, Read] = {}
    claim = argument.claim
    for start, steps in ((claim.left, argument.left_steps), (claim.right.body, argument.right_steps)):
        current = start
        for step in steps:
            if step.rule == "cancel":
                factor = current.terms[step.arguments["term"]].factors[step.arguments["factor"]]
                assert isinstance(factor, Apply)
                found.setdefault(factor.of.tensor.name, factor.of)
            current = step.after
    return tuple(found.values())


@dataclass(frozen=True)
class Statement:
    """What a claim says in Rocq: hypotheses in the order of the proof's section, and the equation."""

    listing: Listing
    divided: tuple[Read, ...]

    # ---- hypotheses, for a section and for a quantified statement -------------------------------------

    def sizes(self) -> list[tuple[str, str]]:
        """Hypotheses about sizes by name."""
        names = self.listing.names
        return [(f"fact_{n}", names.fact(f)) for n, f in enumerate(self.listing.claim.setting.facts)]

    def places(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """The free indices, each with its two hypotheses."""
        names, found = self.listing.names, []
        for index in self.listing.claim.indices:
            spelled = names.variable(index.name)
            high = names.form(index.extent - 1 - index.form)
            found.append(
                (spelled, [(f"{spelled}_low", f"0 <= {spelled}"), (f"{spelled}_high", f"0 <= {high}")])
            )
        return found

    def laws(self) -> list[tuple[str, str]]:
        """Half of one, and inverses of what is divided by."""
        half = [("half_law", "(one +! one) *! half = one")] if self.listing.halves else []
        return half + [(f"inv_{r.tensor.name}", self._inverse(r)) for r in self.divided]

    def _inverse(self, read: Read) -> str:
        names = self.listing.names
        defined = read.tensor.name in self.listing.needs
        spelled = (
            f"({self.listing.constant(read.tensor.name)})" if defined else names.tensor(read.tensor.name)
        )
        places = [f"_j{axis}" for axis in range(len(read.tensor.shape))]
        ranges = [f"0 <= {p} < {names.atom(n)} -> " for p, n in zip(places, read.tensor.shape, strict=True)]
        entry = f"({' '.join([spelled, *places])})" if places else spelled
        head = f"forall {' '.join(places)}, " if places else ""
        return f"{head}{''.join(ranges)}{entry} *! ({names.function(INVERSE)} {entry}) = one"

    def hypotheses(self) -> Lines:
        """For the section of the proof."""
        lines = [f"Hypothesis {title} : {text}." for title, text in self.sizes()]
        for variable, ranges in self.places():
            lines += [
                f"Variable {variable} : Z.",
                *(f"Hypothesis {title} : {text}." for title, text in ranges),
            ]
        return [*lines, *(f"Hypothesis {title} : {text}." for title, text in self.laws())]

    def quantified(self, places: bool = True) -> Lines:
        """The same, before the equation of a statement."""
        lines = [f"forall {self.binders()},"]
        lines += [f"  {text} ->" for _, text in self.sizes()]
        for variable, ranges in self.places() if places else ():
            lines += [f"  forall {variable} : Z, " + " -> ".join(text for _, text in ranges) + " ->"]
        return [*lines, *(f"  ({text}) ->" for _, text in self.laws())]

    def binders(self) -> str:
        listing, names = self.listing, self.listing.names
        parts = ["(R : ring)"] + (["(half : R)"] if listing.halves else [])
        functions = " ".join(map(names.function, listing.functions))
        parts += [f"({functions} : R -> R)"] if functions else []
        sizes = " ".join(map(names.variable, listing.sizes))
        parts += [f"({sizes} : Z)"] if sizes else []
        parts += [f"({names.tensor(t.name)} : {arrow(len(t.shape))}R)" for t in listing.claim.setting.inputs]
        return " ".join(parts)

    # ---- the equation ---------------------------------------------------------------------------------

    def left(self, at: Sequence[str] | None = None) -> str:
        """The left side without notations: the eps part of the loss over dual numbers, or an entry."""
        claim, listing = self.listing.claim, self.listing
        factor = claim.left.terms[0].factors[0]
        if isinstance(factor, Partial):
            return f"eps ({self.dual(factor.of.tensor.name, Derivatives(listing, factor.wrt.index))})"
        assert isinstance(factor, Read)
        defined = factor.tensor.name in listing.needs
        head = listing.constant(factor.tensor.name) if defined else listing.names.tensor(factor.tensor.name)
        return " ".join([head, *map(listing.names.atom, factor.index)])

    def dual(self, tensor: str, derivatives: Derivatives) -> str:
        """A definition over dual numbers with its operands written out."""
        text = f" {self.listing.constant(tensor, dual=True)} "
        for title, _, value in derivatives.seeds():
            text = text.replace(f" dual_{title} ", f" ({value}) ")
        return text.strip()

    def right(self) -> str:
        claim, listing = self.listing.claim, self.listing
        places = [listing.names.variable(i.name) for i in claim.indices]
        return " ".join([listing.constant(claim.right.tensor.name), *places])

    def text(self) -> str:
        return "\n".join([*self.quantified(), f"  {self.left()} =\n  {self.right()}"])

    def witness(self, argument: Argument) -> Lines:
        """Sizes and places at which all hypotheses hold: the theorem is not empty."""
        listing, names = self.listing, self.listing.names
        variables = [*listing.sizes, *(i.name for i in listing.claim.indices)]
        facts = [text for _, text in self.sizes()]
        facts += [text for _, ranges in self.places() for _, text in ranges]
        if not variables:
            return []
        values = ", ".join(
            str(argument.witness[v]) if argument.witness[v] >= 0 else f"({argument.witness[v]})"
            for v in variables
        )
        return [
            f"Lemma not_empty : exists {' '.join(map(names.variable, variables))} : Z,\n  "
            + " /\\\n  ".join(facts)
            + ".",
            f"Proof. exists {values}. repeat split; apply Z.leb_le || idtac; reflexivity. Qed.",
        ]
