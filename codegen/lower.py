"""Owns the passage from a proved right side at sizes to loops: operands, helpers, contraction, schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from codegen.algebra import ranges_of, slope
from codegen.curved import Curved
from codegen.errors import BuildError
from codegen.facts import NOTHING, Facts, linear
from codegen.loops import Buffer, Comment, Kernel, Statement
from codegen.opening import bare, beneath, book, expression
from codegen.scheduled import Scheduler, nest
from codegen.schedules.choose import schedule
from codegen.schedules.nest import Access, Target, Term
from codegen.separated import in_stages
from codegen.specialised import Candidate, applied, candidates
from codegen.stage import Layout, address, extents, filled, inside
from codegen.wide import checked
from derive.claim import Claim
from derive.expr import Definition, Expr, Read, Sum, Tensor
from derive.index import Form, name
from derive.layers.base import is_gradient

MOST_PHASES_TAPS = 16
"""Largest kernel width whose taps are written out one by one in a strided line."""

NEST = 1.5
"""How many times the cycles of its ports a kernel of the nest schedules takes (measured, 1.5 to 3)."""

COPIES = 1.5
"""How many times the cycles a kernel without padded copies may take by the model, which counts no misses."""

MOST_FACTORS = 6
"""Largest number of entries multiplied in one term."""


def kernel_name(key: str) -> str:
    """The kernel of a claim: "output" and "new_<name>" for forward forms, "grad_<operand>" for a gradient."""
    return f"grad_{key}" if is_gradient(key) else key


def lower(key: str, claim: Claim, target: Target, facts: Facts = NOTHING) -> Kernel:
    """The kernel that computes the right side of a claim at sizes.

    Args:
        key: "output" or the operand's name.
        claim: from `derive.instance.claim_at`.
        target: lanes and registers.
        facts: of the layer, where the claim has functions, indicators or shifts.

    Raises:
        BuildError: an unknown function, more factors than a schedule takes, or a number too large to write.
    """
    return ranked(key, claim, target, facts)[0].kernel


def ranked(key: str, claim: Claim, target: Target, facts: Facts = NOTHING) -> list[Candidate]:
    """The kernels that compute the right side of a claim, cheapest first by the model; see `lower`."""
    helpers = {d.tensor.name: d for d in claim.setting.definitions}
    if not linear(claim, facts):
        found = applied(kernel_name(key), claim, helpers, target, facts.parameters)
        if not found:
            found = [Candidate(Curved(kernel_name(key), claim, target, facts).kernel(), 0.0)]
        return [replace(c, kernel=checked(c.kernel)) for c in found]
    found = candidates(kernel_name(key), key, claim, helpers, target)
    found += [Candidate(k, c * NEST) for k, c in in_stages(kernel_name(key), claim, target, facts)]
    found = [replace(c, kernel=checked(c.kernel)) for c in found]
    plain, bared = by_nests(key, claim, target), by_nests(key, claim, target, opened=True)
    general = bared if plain is None or (bared and bared.cost <= COPIES * plain.cost) else plain
    return sorted((*found, *([general] if general else ())), key=lambda c: c.cost)


def plainly(key: str, claim: Claim, target: Target, facts: Facts = NOTHING) -> Kernel:
    """The kernel of a right side by the schedules that take any; its loops look alike for all layers."""
    made = by_nests(key, claim, target) if linear(claim, facts) else None
    return lower(key, claim, target, facts) if made is None else made.kernel


def by_nests(key: str, claim: Claim, target: Target, opened: bool = False) -> Candidate | None:
    """The kernel of a right side without functions by the schedules for nests, which take whatever it is.

    Args:
        opened: with no array of a helper that pads, edges being left to the loops; None where few products do
            not make that worth it, or there is none.
    """
    helpers = {d.tensor.name: d for d in claim.setting.definitions}
    inputs = {t.name: t for t in claim.setting.inputs}
    expr = bare(claim.right, helpers) if opened else None
    if opened and expr is None:
        return None
    dealt = _Lowering(key, claim, target, helpers, inputs, may_deal=not opened, opened=expr)
    general, lowering = dealt.kernel(), dealt
    if general is None:
        lowering = _Lowering(key, claim, target, helpers, inputs, may_deal=False)
        general = lowering.sure()
    return Candidate(checked(general), lowering.cost * NEST)


@dataclass(frozen=True)
class Deal:
    """A helper whose last axis is dealt out so that the line of a strided sum is contiguous."""

    helper: str
    phases: int
    line: str


@dataclass
class _Lowering:
    """One lowering: what is decided on the way."""

    key: str
    claim: Claim
    target: Target
    helpers: Mapping[str, Definition]
    inputs: Mapping[str, Tensor]
    may_deal: bool = True
    opened: Expr | None = None
    offset: int = 0
    fills: list[Statement] = field(default_factory=list)
    scratch: dict[str, tuple[Buffer, Layout]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    deal: Deal | None = None
    failed: bool = False

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.target, count(1))

    def sure(self) -> Kernel:
        kernel = self.kernel()
        assert kernel is not None
        return kernel

    def kernel(self) -> Kernel | None:
        """The kernel; None where the helper was dealt out for a schedule that does not exist."""
        right = self.claim.right
        expr = self.opened or expression(right, self.helpers)
        self.deal = self.dealt(expr) if self.may_deal else None
        if self.deal is not None:
            expr = book(self.helpers, self.deal.helper).expression(right, guards=False)
        shape = extents(right.tensor)
        size = 1
        for extent in shape:
            size *= extent
        out = Access(Buffer("out", size), address(shape, right.left.index))
        found = self.contraction(expr, out)
        if found is None or self.failed:
            return None
        body, notes = found
        mentioned = beneath(right.body, self.helpers)
        return Kernel(
            kernel_name(self.key),
            out.buffer,
            tuple(self.operand(n) for n in self.operand_names()),
            tuple(b for b, _ in self.scratch.values()),
            (*self.fills, *body),
            f"{self.claim.left} = {right}",
            tuple(str(d) for d in self.claim.setting.definitions if d.tensor.name in mentioned),
            notes,
        )

    @property
    def cost(self) -> float:
        """Cycles by the model: the sums, and helpers filled at half a vector a cycle."""
        copied = sum(b.count for b, _ in self.scratch.values())
        return sum(self.scheduler.costs) + 2 * copied / self.target.lanes

    def operand_names(self) -> list[str]:
        """grad_output first, the others in the order of the setting."""
        return sorted((n for n in self.inputs if n in self.used), key=lambda n: n != "grad_output")

    def operand(self, title: str) -> Buffer:
        self.used.add(title)
        size = 1
        for extent in extents(self.inputs[title]):
            size *= extent
        return Buffer(title, size)

    def dealt(self, expr: Expr) -> Deal | None:
        """The strided line of the main term, where taps are few: form s*o + d*a with o the line elsewhere."""
        main = expr.terms[0] if expr.terms else None
        if main is None or main.conditions or len(main.factors) != 2:
            return None
        reads = [f for f in main.factors if isinstance(f, Read)]
        for read, other in (reads, reads[::-1]):
            if not read.index or not other.index:
                continue
            last = read.index[-1]
            for line in last.names:
                taps = last.names - {line}
                few = all(self.range_of(main, n) <= MOST_PHASES_TAPS for n in taps) and len(taps) <= 1
                ends = {self.claim.right.left.index[-1], other.index[-1]}
                helper = self.helper_of(read.tensor.name)
                if slope(last, line) > 1 and few and name(line) in ends and helper:
                    return Deal(helper, slope(last, line), line)
        return None

    def range_of(self, term: Sum, index: str) -> int:
        return {**ranges_of(self.claim.indices), **ranges_of(term.indices)}[index]

    def helper_of(self, title: str) -> str:
        """The helper that is this tensor, or that the closed form reads this operand through."""
        if title in self.helpers:
            return title
        for term in self.claim.right.body.terms:
            for factor in term.factors:
                if isinstance(factor, Read) and factor.tensor.name in self.helpers:
                    inner = tuple(f for t in self.helpers[factor.tensor.name].body.terms for f in t.factors)
                    if len(inner) == 1 and isinstance(inner[0], Read) and inner[0].tensor.name == title:
                        return factor.tensor.name
        return ""

    def contraction(self, expr: Expr, out: Access) -> tuple[tuple[Statement, ...], tuple[str, ...]] | None:
        free = {n: e for n, e in ranges_of(self.claim.indices).items() if e > 1}
        terms = [self.term(t, free) for t in expr.terms]
        if self.deal is None:
            return self.scheduler.scheduled(out, free, terms)
        found = nest(out, free, terms)
        best = schedule(found.collapsed(), self.target) if found is not None else None
        if best is None:
            return None
        self.scheduler.costs.append(best.cost())
        return (Comment(best.note()), *best.statements(self.scheduler.numbers)), (best.note(),)

    def term(self, term: Sum, free: Mapping[str, int]) -> Term:
        return Term(ranges_of(term.indices), term.conditions, self.accesses(term, free))

    def accesses(self, term: Sum, free: Mapping[str, int]) -> tuple[Access, ...]:
        reads = tuple(f for f in term.factors if isinstance(f, Read))
        if not 1 <= len(term.factors) == len(reads) <= MOST_FACTORS or term.coefficient != 1:
            raise BuildError(
                "no schedule for this expression",
                where=f"kernel {kernel_name(self.key)}",
                expected=f"sums of products of one to {MOST_FACTORS} tensor entries",
                got=str(term),
                mend="add a schedule in codegen/schedules/",
            )
        ranges = {**free, **ranges_of(term.indices)}
        return tuple(replace(self.access(r), sure=inside(r, ranges)) for r in reads)

    def access(self, read: Read) -> Access:
        title = read.tensor.name
        if title in self.inputs:
            return Access(self.operand(title), address(extents(read.tensor), read.index))
        buffer, layout = self.helper(title)
        line, last = layout.line(read.index), read.index[-1]
        if layout.phases == 1:
            return Access(buffer, line + last)
        assert self.deal is not None
        rest = last - name(self.deal.line) * layout.phases
        at = line + name(self.deal.line)
        if not rest.names:
            return Access(buffer, at + layout.within(rest.constant or 0))
        tap = next(iter(rest.names))
        start = rest.substitute({tap: Form()}).constant or 0
        reach = layout.shape[-1] - start
        values = range(start, start + reach, max(slope(rest, tap), 1))
        return Access(buffer, at, {tap: tuple(layout.within(v) for v in values)})

    def helper(self, title: str) -> tuple[Buffer, Layout]:
        """The workspace array of a helper, filled the first time it is asked for."""
        if title not in self.scratch:
            phases = self.deal.phases if self.deal is not None and self.deal.helper == title else 1
            definition = self.helpers[title]
            layout = Layout(extents(definition.tensor), phases, self.target.lanes)
            buffer = Buffer(title, layout.count, self.offset)
            self.offset += -(-layout.count // 16) * 16
            self.scratch[title] = (buffer, layout)
            copied = self.fill(definition, buffer, layout)
            self.scratch[title] = (replace(buffer, copied=copied), layout)
        return self.scratch[title]

    def fill(self, definition: Definition, buffer: Buffer, layout: Layout) -> bool:
        """Adds the statements that write a helper array; whether it holds copies and zeros alone."""
        expr = book(self.helpers).expression(definition, guards=True)
        head: tuple[Statement, ...] = (Comment(f"{buffer.name}: {definition.role}"),)
        term = expr.terms[0] if len(expr.terms) == 1 else None
        if not expr.terms or (term is not None and len(term.factors) == 1):
            source = self.source(term)
            body = filled(definition, term, buffer, source or buffer, layout, self.target.lanes)
            if body is not None:
                self.fills += [*head, *body]
                return source is None or not source.scratch or source.copied
        if layout.phases > 1:
            self.failed = True
            return False
        at = layout.line(definition.left.index) + definition.left.index[-1]
        free = {n: e for n, e in ranges_of(definition.indices).items() if e > 1}
        terms = [self.term(t, free) for t in expr.terms]
        self.fills += [*head, *self.scheduler.scheduled(Access(buffer, at), free, terms)[0]]
        return False

    def source(self, term: Sum | None) -> Buffer | None:
        if term is None or not isinstance(term.factors[0], Read):
            return None
        title = term.factors[0].tensor.name
        return self.operand(title) if title in self.inputs else self.helper(title)[0]
