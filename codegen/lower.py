"""Owns the passage from a proved right side at sizes to loops: operands, helpers, contraction, schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from codegen.algebra import Book, ranges_of, slope
from codegen.errors import BuildError
from codegen.loops import Buffer, Comment, Kernel, Statement
from codegen.schedules import plain
from codegen.schedules.choose import schedule
from codegen.schedules.nest import Access, Nest, Target
from codegen.stage import Layout, address, extents, filled
from derive.claim import Claim
from derive.expr import Definition, Expr, Read, Sum, Tensor
from derive.index import Form, name

MOST_PHASES_TAPS = 16
"""Largest kernel width whose taps are written out one by one in a strided line."""


def kernel_name(key: str) -> str:
    """The kernel of a claim: "output" for the forward form, "grad_<operand>" for a gradient."""
    return key if key == "output" else f"grad_{key}"


def lower(key: str, claim: Claim, target: Target) -> Kernel:
    """The kernel that computes the right side of a claim at sizes.

    Args:
        key: "output" or the operand's name.
        claim: from `derive.instance.claim_at`.
        target: lanes and registers.

    Raises:
        BuildError: an expression with three factors or a coefficient, which no schedule takes yet.
    """
    helpers = {d.tensor.name: d for d in claim.setting.definitions}
    inputs = {t.name: t for t in claim.setting.inputs}
    dealt = _Lowering(key, claim, target, helpers, inputs).kernel()
    return dealt or _Lowering(key, claim, target, helpers, inputs, may_deal=False).sure()


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
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    offset: int = 0
    fills: list[Statement] = field(default_factory=list)
    scratch: dict[str, tuple[Buffer, Layout]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    deal: Deal | None = None

    def sure(self) -> Kernel:
        kernel = self.kernel()
        assert kernel is not None
        return kernel

    def kernel(self) -> Kernel | None:
        """The kernel; None where the helper was dealt out for a schedule that does not exist."""
        right = self.claim.right
        expr = Book(self.helpers).expression(right, guards=False)
        self.deal = self.dealt(expr) if self.may_deal else None
        if self.deal is not None:
            keep = frozenset({self.deal.helper})
            expr = Book(self.helpers, keep).expression(right, guards=False)
        shape = extents(right.tensor)
        size = 1
        for extent in shape:
            size *= extent
        out = Access(Buffer("out", size), address(shape, right.left.index))
        found = self.contraction(expr, out)
        if found is None:
            return None
        body, notes = found
        return Kernel(
            kernel_name(self.key),
            out.buffer,
            tuple(self.operand(n) for n in self.operand_names()),
            tuple(b for b, _ in self.scratch.values()),
            (*self.fills, *body),
            f"{self.claim.left} = {right}",
            tuple(str(d) for d in self.claim.setting.definitions if d.tensor.name in self.mentioned()),
            notes,
        )

    def mentioned(self) -> set[str]:
        """Helpers that the equation reads, directly or through others."""
        found: set[str] = set()
        pending = [self.claim.right]
        while pending:
            reads = {
                f.tensor.name for t in pending.pop().body.terms for f in t.factors if isinstance(f, Read)
            }
            fresh = (reads & set(self.helpers)) - found
            found |= fresh
            pending += [self.helpers[n] for n in fresh]
        return found

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
        terms = [plain.Term(ranges_of(t.indices), t.conditions, self.accesses(t)) for t in expr.terms]
        nest = _nest(out, free, terms)
        best = schedule(nest.collapsed(), self.target) if nest is not None else None
        if best is not None:
            note = best.note()
            return (Comment(note), *best.statements(self.numbers)), (note,)
        if self.deal is not None:
            return None
        body = plain.statements(out.buffer, out.at, free, terms, self.numbers)
        return body, ("PLAIN: one element at a time",)

    def accesses(self, term: Sum) -> tuple[Access, ...]:
        reads = tuple(f for f in term.factors if isinstance(f, Read))
        if not 1 <= len(term.factors) == len(reads) <= 2 or term.coefficient != 1:
            raise BuildError(
                "no schedule for this expression",
                where=f"kernel {kernel_name(self.key)}",
                expected="sums of products of one or two tensor entries",
                got=str(term),
                mend="add a schedule in codegen/schedules/",
            )
        return tuple(self.access(r) for r in reads)

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
            self.fill(definition, buffer, layout)
        return self.scratch[title]

    def fill(self, definition: Definition, buffer: Buffer, layout: Layout) -> None:
        expr = Book(self.helpers).expression(definition, guards=True)
        head: tuple[Statement, ...] = (Comment(f"{buffer.name}: {definition.role}"),)
        term = expr.terms[0] if len(expr.terms) == 1 else None
        if not expr.terms or (term is not None and len(term.factors) == 1):
            source = self.source(term)
            body = filled(definition, term, buffer, source or buffer, layout, self.target.lanes)
            if body is not None:
                self.fills += [*head, *body]
                return
        at = layout.line(definition.left.index) + definition.left.index[-1]
        terms = [plain.Term(ranges_of(t.indices), t.conditions, self.accesses(t)) for t in expr.terms]
        free = {n: e for n, e in ranges_of(definition.indices).items() if e > 1}
        self.fills += [*head, *plain.statements(buffer, at, free, terms, self.numbers)]

    def source(self, term: Sum | None) -> Buffer | None:
        if term is None or not isinstance(term.factors[0], Read):
            return None
        title = term.factors[0].tensor.name
        return self.operand(title) if title in self.inputs else self.helper(title)[0]


def _nest(out: Access, free: Mapping[str, int], terms: Sequence[plain.Term]) -> Nest | None:
    """One term as the contraction, the others as entries added to it; None where they do not fit that."""
    if not terms or any(t.conditions for t in terms):
        return None
    order = sorted(terms, key=lambda t: (len(t.factors), len(t.bound)), reverse=True)
    main, rest = order[0], order[1:]
    if any(t.bound or len(t.factors) != 1 for t in rest):
        return None
    return Nest(out, free, main.bound, main.factors, tuple(t.factors[0] for t in rest))
