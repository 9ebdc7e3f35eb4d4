"""Owns the loops of a right side with functions, coefficients, indicators or shifts: stage after stage.

Coefficients of the claim and parameters of its functions are an operand of their own, `constants`, rounded
once to the element: no number of the kernel's arithmetic stands in its text. An indicator is never an array;
its codes are an operand, or are found by the kernel of the output, which keeps them in its workspace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count
from math import prod

from codegen.algebra import ranges_of
from codegen.errors import BuildError
from codegen.facts import Facts, entries_of
from codegen.fusing import ROW, fusion
from codegen.loops import Buffer, Comment, Kernel, Loop, Pointer, Statement
from codegen.opening import beneath
from codegen.rewrite import Program, Stage, program
from codegen.scheduled import Scheduler
from codegen.schedules.nest import Access, Choice, Ending, Function, Target, Term
from codegen.schedules.rows import Rows
from codegen.stage import address, extents, inside
from derive.claim import Claim
from derive.expr import Apply, Definition, Factor, Read, Sum, Tensor
from derive.functions import PARAMETERS
from derive.index import Form, name

CONSTANTS = "constants"
TAKEN = frozenset({"total", "more", "each", "one", "line"})
"""Names of values in the text of schedules; an array of that name is called by its plural."""
ALIGNED = 16
"""Parts of the workspace start at multiples of this many elements."""


@dataclass
class Curved:
    """The kernel `title` of a claim at sizes."""

    title: str
    claim: Claim
    target: Target
    facts: Facts

    def kernel(self) -> Kernel:
        """The loops."""
        return self.costed()[0]

    def costed(self) -> tuple[Kernel, float]:
        """The loops and their cycles; written twice, since only the first time tells of all constants."""
        right = self.claim.right
        made = program(self.claim, self.facts)
        values: list[Fraction] = []
        _Writing(self, made, values).body()
        writing = _Writing(self, made, values)
        body, notes = writing.body()
        mentioned = beneath(right.body, {d.tensor.name: d for d in self.claim.setting.definitions})
        used = writing.operands
        order = sorted(used, key=lambda n: (n != "grad_output", n in made.constants or n == CONSTANTS))
        kernel = Kernel(
            self.title,
            Buffer("out", prod(extents(right.tensor))),
            tuple(used[n] for n in order),
            tuple(writing.scratch.values()),
            body,
            f"{self.claim.left} = {right}",
            tuple(str(d) for d in self.claim.setting.definitions if d.tensor.name in mentioned),
            notes,
            {n: tuple(values) if n == CONSTANTS else made.constants[n] for n in order if n in made.constants}
            | ({CONSTANTS: tuple(values)} if values else {}),
            tuple(writing.kept),
        )
        return kernel, sum(writing.scheduler.costs)


@dataclass
class _Writing:
    """One writing of a kernel: what it reads and where its arrays lie."""

    curved: Curved
    made: Program
    values: list[Fraction]
    operands: dict[str, Buffer] = field(default_factory=dict)
    scratch: dict[str, Buffer] = field(default_factory=dict)
    kept: list[Buffer] = field(default_factory=list)
    fills: list[Statement] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.curved.target, count(1))
        inputs = {t.name: t for t in self.curved.claim.setting.inputs}
        self.sizes = {n: prod(extents(t)) for n, t in inputs.items()}
        self.sizes |= {n: len(v) for n, v in self.made.constants.items()}
        self.notes: dict[str, None] = {}
        self.axes: dict[str, int] = {}
        self.row: dict[str, int] = {}

    def body(self) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
        """All stages, the result last, and what was chosen for each kind of loop."""
        stages = self.made.stages
        shared = fusion(stages)
        if shared is None or any(self.shifted(s) for s in shared.parted(stages)[2]):
            self.run(stages)
            return tuple(self.fills), tuple(self.notes)
        whole, rows, rest = shared.parted(stages)
        self.run(whole)
        first, self.fills = self.fills, []
        costs, before = self.scheduler.costs, len(self.scheduler.costs)
        self.row = {ROW: shared.extent}
        self.axes = {n: a for n, a in shared.axes.items() if n != shared.root}
        self.run([shared.inner(s) for s in rows])
        costs[before:] = [cost * shared.extent for cost in costs[before:]]
        loop, self.fills, self.row = Loop(ROW, 0, shared.extent, 1, tuple(self.fills)), [], {}
        self.run(rest)
        notes = (f"stage after stage for each of {shared.extent} rows", *self.notes)
        return (*first, loop, *self.fills), notes

    def shifted(self, stage: Stage) -> bool:
        """Whether a stage reads a shift, which rows would keep for one row only."""
        terms = stage.definition.body.terms
        return any(e.tensor.name in self.curved.facts.shifts for t in terms for e in entries_of(t))

    def run(self, stages: Sequence[Stage]) -> None:
        """Adds the loops of stages in order."""
        for stage in stages:
            if stage.name == self.made.stages[-1].name:
                self.write(stage, Buffer("out", prod(extents(stage.definition.tensor))))
                continue
            said = f"{stage.after} of it, " if stage.after else ""
            size = prod(int(f.evaluate({})) for f in self.cut(stage.name, stage.definition.tensor.shape))
            self.write(stage, self.array(stage.name, size), f"{stage.name}: {said}{stage.definition.role}")

    def cut(self, title: str, parts: Sequence[Form]) -> tuple[Form, ...]:
        """Shape or index of an array without the axis that stages share."""
        axis = self.axes.get(title, len(parts))
        return (*parts[:axis], *parts[axis + 1 :])

    def place(self, tensor: Tensor, index: Sequence[Form]) -> Form:
        """The address of an entry of a tensor in its array."""
        shape = tuple(int(f.evaluate({})) for f in self.cut(tensor.name, tensor.shape))
        return address(shape, self.cut(tensor.name, index))

    def array(self, title: str, size: int) -> Buffer:
        """A part of the workspace."""
        start = max(
            (-(-((b.offset or 0) + b.count) // ALIGNED) * ALIGNED for b in self.scratch.values()), default=0
        )
        self.scratch[title] = Buffer(f"{title}s" if title in TAKEN else title, size, start)
        return self.scratch[title]

    def write(self, stage: Stage, buffer: Buffer, said: str = "") -> None:
        """Adds the loops of one stage."""
        definition = stage.definition
        free = {n: e for n, e in ranges_of(definition.indices).items() if e > 1 and n not in self.row}
        ending = Ending(True, self.function(stage.after) if stage.after else None)
        code = self.selects(definition)
        if code:
            ending = replace(ending, first=self.curved.facts.codes[code].first)
        if code and self.curved.facts.keeps:
            lead = self.curved.facts.codes[code].lead
            read = next(e for t in definition.body.terms for e in entries_of(t) if e.tensor.name == code)
            shape = [extents(read.tensor)[k] for k in lead]
            codes = self.array(self.curved.facts.codes[code].operand, prod(shape))
            self.kept.append(codes)
            at = Access(codes, address(tuple(shape), tuple(read.index[k] for k in lead)))
            ending = replace(ending, codes=at)
        terms = sorted((self.term(t, free) for t in definition.body.terms), key=lambda t: t.minus)
        out = Access(buffer, self.place(definition.tensor, definition.left.index))
        self.add(out, free, terms, ending, said)

    def add(
        self, out: Access, free: Mapping[str, int], terms: list[Term], ending: Ending, said: str = ""
    ) -> None:
        body, notes = self.scheduler.scheduled(out, free, terms, ending)
        self.fills += [*((Comment(said),) if said else ()), *body]
        self.notes |= dict.fromkeys(notes)

    def selects(self, definition: Definition) -> str:
        """The indicator by which the output takes an entry of each window; "" where none does."""
        found = {e.tensor.name for t in definition.body.terms for e in entries_of(t)} & set(
            self.curved.facts.codes
        )
        computed = [n for n in found if self.curved.facts.codes[n].first]
        return computed[0] if computed and self.curved.title == "output" else ""

    def term(self, term: Sum, free: Mapping[str, int]) -> Term:
        ranges = {**free, **self.row, **ranges_of(term.indices)}
        factors: list[Access] = []
        choices: list[Choice] = []
        for factor in term.factors:
            if isinstance(factor, Read) and factor.tensor.name in self.curved.facts.codes:
                choices.append(self.choice(factor, ranges))
            else:
                factors.append(self.factor(factor, ranges))
        size = abs(term.coefficient)
        if size != 1 or not factors:
            factors.append(Access(*self.constant(size)))
        return Term(
            ranges_of(term.indices), term.conditions, tuple(factors), tuple(choices), term.coefficient < 0
        )

    def factor(self, factor: Factor, ranges: Mapping[str, int]) -> Access:
        match factor:
            case Read():
                return replace(self.access(factor), sure=inside(factor, ranges))
            case Apply(function, read):
                return replace(self.factor(read, ranges), function=self.function(function))
            case _:
                raise BuildError(
                    "a derivative has no value in a kernel", where=self.curved.title, got=str(factor)
                )

    def choice(self, read: Read, ranges: Mapping[str, int]) -> Choice:
        """Where the code of an indicator's entry lies, and the number that it is compared with."""
        code = self.curved.facts.codes[read.tensor.name]
        shape = tuple(extents(read.tensor)[k] for k in code.lead)
        lead = tuple(read.index[k] for k in code.lead)
        held, size = self.scratch.get(code.operand), prod(shape)
        found = code.first and self.curved.title == "output"
        buffer = held or (Buffer(code.operand, size) if found else self.operand(code.operand, size))
        sure = inside(Read(Tensor(code.operand, tuple(map(Form.of, shape))), lead), ranges)
        value = code.value.substitute({f"x{k}": form for k, form in enumerate(read.index)})
        return Choice(Access(buffer, address(shape, lead), sure=sure), value)

    def access(self, read: Read) -> Access:
        title = read.tensor.name
        if title in self.curved.facts.shifts and title not in self.scratch:
            self.largest(read)
        buffer = self.scratch.get(title) or self.operand(title, self.sizes[title])
        return Access(buffer, self.place(read.tensor, read.index))

    def operand(self, title: str, size: int) -> Buffer:
        return self.operands.setdefault(title, Buffer(title, size))

    def constant(self, value: Fraction) -> tuple[Buffer, Form]:
        """Where a number lies among the constants."""
        if value not in self.values:
            self.values.append(value)
        buffer = Buffer(CONSTANTS, len(self.values))
        self.operands[CONSTANTS] = buffer
        return buffer, Form.of(self.values.index(value))

    def function(self, title: str) -> Function:
        """A function with the places of its parameters. Raises BuildError on one that has no values."""
        known = self.curved.facts.parameters
        missing = [p for p in PARAMETERS[title] if p not in known]
        if missing or title.removesuffix("_prime") == "f":
            raise BuildError(
                "a function without values cannot be compiled",
                where=f"kernel {self.curved.title}",
                expected="a named function" + "".join(f", {p}" for p in missing),
                got=title,
                mend="build a layer with a known function, such as GELU() or Tanh()",
            )
        return Function(title, tuple(Pointer(*self.constant(known[p])) for p in PARAMETERS[title]))

    def largest(self, read: Read) -> None:
        """A shift filled with the largest entries along an axis of its source: all of them, or a row's."""
        tensor, shift = read.tensor, self.curved.facts.shifts[read.tensor.name]
        shared = [k for k, form in enumerate(read.index) if form == name(ROW)] if self.row else []
        if shared:
            self.axes[tensor.name] = shared[0]
        source = next(t for t in self.curved.claim.setting.inputs if t.name == shift.source)
        shape = extents(source)
        axis, line = shift.axis % len(shape), f"e_{shift.axis % len(shape)}"
        names = [f"e_{k}" for k in range(len(shape))]
        if shared:
            names[shared[0] + (shared[0] >= axis)] = ROW
        forms = tuple(name(word) if n > 1 else Form() for word, n in zip(names, shape, strict=True))
        sizes = {w: n for w, n in zip(names, shape, strict=True) if n > 1 and w != ROW}
        free = {w: n for w, n in sizes.items() if w != line}
        rest = tuple(f for k, f in enumerate(forms) if k != axis)
        size = prod(int(f.evaluate({})) for f in self.cut(tensor.name, tensor.shape))
        into = Access(self.array(tensor.name, size), self.place(tensor, rest))
        row = Access(self.operand(shift.source, prod(shape)), address(shape, forms))
        term = Term({line: sizes[line]} if line in sizes else {}, (), (row,), (Choice(into, forms[axis]),))
        said = f"{tensor.name}: the largest entry of {shift.source} along axis {axis}"
        lanes = self.curved.target.lanes
        if row.slope(line) == 1 and shape[axis] >= 2 * lanes:
            rows = Rows(into, free, row, line, shape[axis], lanes)
            self.fills += [Comment(said), Comment(rows.note()), *rows.statements(self.scheduler.numbers)]
            self.notes[rows.note()] = None
        else:
            self.add(into, free, [term], Ending(True, first="largest"), said)
