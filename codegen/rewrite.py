"""Owns the program of a right side with functions: stages in order, each written as loops like to compute it.

Every rewrite is an identity of the expressions. A stage that only moves entries is put in place of its reads;
a stage that one product reads becomes part of the product; what a sum multiplies in every term goes in front
of it, and the sum becomes a stage of its own; a function of a stage that nothing else reads is applied where
the stage is stored, a function that is read more often than its argument has entries becomes a stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod

from codegen.algebra import Book, ranges_of, settle
from codegen.facts import NOTHING, Facts, entries_of, reached
from codegen.folding import without_folded
from codegen.listed import Listed, Use
from codegen.stage import extents
from derive.claim import Claim
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum, Tensor, entry_of, single
from derive.index import ONE, Form, Index, Zero
from derive.layers.codes import Code

MOST_SUMMED = 2
"""Entries that are multiplied in a sum; a longer product is a stage."""


@dataclass(frozen=True)
class Stage:
    """One array: its definition over operands and earlier stages; `after` is a function of the whole sum."""

    definition: Definition
    after: str = ""

    @property
    def name(self) -> str:
        return self.definition.tensor.name


@dataclass(frozen=True)
class Program:
    """Stages in order, the right side last, and the constants that they read, by tensor name."""

    stages: tuple[Stage, ...]
    constants: Mapping[str, tuple[Fraction, ...]]


def program(claim: Claim, facts: Facts = NOTHING) -> Program:
    """The stages of a claim at sizes."""
    right = claim.right
    listed = {d.tensor.name: d for d in (*reached(claim), right)}
    listed, constants = without_folded(listed)
    work = _Rewriting({n: _settled(d) for n, d in listed.items()}, right.tensor.name, codes=facts.codes)
    work.open_moves()
    work.inline()
    work.hoist()
    stages = work.stages()
    read = {e.tensor.name for s in stages for t in s.definition.body.terms for e in entries_of(t)}
    return Program(tuple(stages), {n: v for n, v in constants.items() if n in read})


def _settled(definition: Definition) -> Definition:
    free = ranges_of(definition.indices)
    terms = (settle(t, free) for t in definition.body.terms)
    return replace(definition, body=Expr(tuple(t for t in terms if t is not None)))


@dataclass
class _Rewriting(Listed):
    """The definitions while they are rewritten; `codes` are the indicators."""

    codes: Mapping[str, Code] = field(default_factory=dict)

    # ------------------------------------------------------------ stages that are not arrays

    def open_moves(self) -> None:
        """Stages that only move entries, or route them by an indicator, put in place of their reads."""
        keep = frozenset(n for n, d in self.definitions.items() if not self.moves(d))
        book = Book(self.definitions, keep)
        self.definitions = {
            n: replace(d, body=book.expression(d, guards=True)) for n, d in self.definitions.items()
        }
        self.sweep()

    def moves(self, definition: Definition) -> bool:
        if len(definition.body.terms) != 1:
            return not definition.body.terms
        term = definition.body.terms[0]
        plain = [f for f in term.factors if not (isinstance(f, Read) and f.tensor.name in self.codes)]
        pinned = frozenset().union(*(c.names for c in term.conditions if isinstance(c, Zero)))
        return len(plain) == 1 and isinstance(plain[0], Read) and {i.name for i in term.indices} <= pinned

    def inline(self) -> None:
        """Stages without a sum that one product or sum of entries reads once, put in place of that read."""
        while (found := self._inlined()) is not None:
            reader, body = found
            self.definitions[reader] = replace(self.definitions[reader], body=body)
            self.sweep()

    def _inlined(self) -> tuple[str, Expr] | None:
        for title, uses in self.uses().items():
            helper = self.definitions.get(title)
            if helper is None or len(uses) != 1 or uses[0].function:
                continue
            use, definition = uses[0], self.definitions[uses[0].reader]
            term = definition.body.terms[use.term]
            if self._joins(helper, term, ranges_of(definition.indices)):
                free = ranges_of(definition.indices)
                book = Book(self.definitions, frozenset(n for n in self.definitions if n != title))
                opened = book.unfolded(term, free, guards=True)
                return use.reader, definition.body.with_term(use.term, tuple(opened))
        return None

    def _joins(self, helper: Definition, term: Sum, free: Mapping[str, int]) -> bool:
        terms = helper.body.terms
        if any(t.indices or t.conditions for t in terms):
            return False
        ranges = {**free, **ranges_of(term.indices)}
        if prod(ranges.values()) > prod(extents(helper.tensor)):
            return False
        if len(terms) == 1 and term.indices:
            factors = (*term.factors, *terms[0].factors)
            return len(factors) - 1 <= MOST_SUMMED and all(isinstance(f, Read) for f in factors)
        return len(terms) == 1 or (len(term.factors) == 1 and not term.indices)

    # ------------------------------------------------------------ sums

    def hoist(self) -> None:
        """What a sum multiplies in every term in front of it, the bare sum a stage of its own."""
        for title in list(self.definitions):
            definition = self.definitions[title]
            many = len(definition.body.terms) > 1
            terms = tuple(self._hoisted(definition, t, many) for t in definition.body.terms)
            self.definitions[title] = replace(definition, body=Expr(terms))

    def _hoisted(self, definition: Definition, term: Sum, many: bool) -> Sum:
        free = {n: e for n, e in ranges_of(definition.indices).items() if e > 1}
        term = self._by_lead(definition, _counted(term))
        bound = {i.name for i in term.indices}
        if not bound:
            return term
        inner = [f for f in term.factors if f.names & bound]
        outer = [f for f in term.factors if not f.names & bound]
        held = tuple(c for c in term.conditions if c.names & bound)
        rest = tuple(c for c in term.conditions if not c.names & bound)
        named = frozenset().union(*(f.names for f in inner), *(c.names for c in held))
        if not (outer or term.coefficient != 1 or many or set(free) - named):
            return (
                replace(term, factors=(self._product(definition, term, inner),))
                if self._long(inner, held)
                else term
            )
        own = tuple(i for i in definition.indices if i.name in named)
        factors = (self._product(definition, term, inner),) if self._long(inner, held) else tuple(inner)
        body = Expr((Sum(term.indices, held, factors),))
        summed = self.known_or_stage(own, body, definition)
        read = Read(summed, tuple(i.form for i in own))
        return Sum((), rest, (*outer, read), term.coefficient)

    def _by_lead(self, definition: Definition, term: Sum) -> Sum:
        """A sum over codes and over what they may be: the latter first, as a stage."""
        reads = [f for f in term.factors if isinstance(f, Read) and f.tensor.name in self.codes]
        if len(reads) != 1 or term.conditions:
            return term
        lead = frozenset().union(*(reads[0].index[k].names for k in self.codes[reads[0].tensor.name].lead))
        inner = tuple(i for i in term.indices if i.name not in lead)
        outer = tuple(i for i in term.indices if i.name in lead)
        if not inner or not outer:
            return term
        summed = {i.name for i in inner}
        factors = tuple(f for f in term.factors if f.names & summed or f in reads)
        rest = tuple(f for f in term.factors if f not in factors)
        named = frozenset().union(*(f.names for f in factors))
        own = tuple(i for i in (*definition.indices, *outer) if i.name in named)
        stage = self.known_or_stage(own, Expr((Sum(inner, (), factors),)), definition)
        return Sum(outer, (), (*rest, Read(stage, tuple(i.form for i in own))), term.coefficient)

    def _long(self, inner: list[Factor], held: tuple[object, ...]) -> bool:
        return len(inner) > MOST_SUMMED and not held and not any(self._chooses(f) for f in inner)

    def _chooses(self, factor: Factor) -> bool:
        return isinstance(factor, Read) and factor.tensor.name in self.codes

    def _product(self, definition: Definition, term: Sum, inner: list[Factor]) -> Read:
        """A long product that is summed, as a stage."""
        named = frozenset().union(*(f.names for f in inner))
        own = tuple(i for i in (*definition.indices, *term.indices) if i.name in named)
        return Read(self.stage("product", own, single(*inner), definition), tuple(i.form for i in own))

    # ------------------------------------------------------------ functions

    def stages(self) -> list[Stage]:
        """The definitions as stages, functions applied once to each entry where that is fewer."""
        after: dict[str, str] = {}
        for title, uses in self.uses().items():
            functions = {u.function for u in uses}
            stored = self.definitions.get(title)
            sums = stored is not None and any(t.indices for t in stored.body.terms)
            if len(functions) == 1 and stored is not None and not sums and functions != {""}:
                after[title] = next(iter(functions))
                self._replace(title, after[title], stored.tensor)
                continue
            for function in sorted(functions - {""}):
                own = [u for u in uses if u.function == function]
                if len(own) > 1 or not self._once(own[0]):
                    self._materialise(title, function, own)
        return [Stage(d, after.get(n, "")) for n, d in self.definitions.items()]

    def _once(self, use: Use) -> bool:
        """Whether the function is applied to each entry at most once."""
        definition = self.definitions[use.reader]
        term = definition.body.terms[use.term]
        read = entry_of(term.factors[use.factor])
        assert read is not None
        evaluated = prod(ranges_of(definition.indices).values())
        return not term.indices and evaluated <= prod(extents(read.tensor))

    def _materialise(self, title: str, function: str, uses: list[Use]) -> None:
        """A stage that holds a function of every entry of a tensor."""
        read = entry_of(self._factor(uses[0]))
        assert read is not None
        source = read.tensor
        own = tuple(Index(f"e_{k}", extent) for k, extent in enumerate(source.shape))
        forms = tuple(Form() if i.extent == ONE else i.form for i in own)
        tensor = Tensor(self.fresh(f"{function}_of_{title}"), source.shape)
        body = single(Apply(function, Read(source, forms)))
        first = next(n for n in self.definitions if any(u.reader == n for u in uses))
        self.insert(Definition(tensor, own, body, f"{function} of each entry"), first)
        self._replace(title, function, tensor, but=tensor.name)

    def _factor(self, use: Use) -> Factor:
        return self.definitions[use.reader].body.terms[use.term].factors[use.factor]

    def _replace(self, title: str, function: str, tensor: Tensor, but: str = "") -> None:
        """Reads of the function of a tensor replaced by reads of the tensor that holds it."""

        def swapped(factor: Factor) -> Factor:
            if isinstance(factor, Apply) and factor.function == function and factor.of.tensor.name == title:
                return Read(tensor, factor.of.index)
            return factor

        for name, definition in self.definitions.items():
            if name != but:
                terms = (replace(t, factors=tuple(map(swapped, t.factors))) for t in definition.body.terms)
                self.definitions[name] = replace(definition, body=Expr(tuple(terms)))


def _counted(term: Sum) -> Sum:
    """A term whose summed indices are all named; the others only count."""
    named = frozenset().union(*(c.names for c in term.conditions), *(f.names for f in term.factors))
    idle = [i for i in term.indices if i.name not in named]
    times = prod(ranges_of(tuple(idle)).values())
    kept = tuple(i for i in term.indices if i.name in named)
    return replace(term, indices=kept, coefficient=term.coefficient * times) if idle else term
