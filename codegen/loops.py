"""Owns the loop language that targets print: integer loops around a short list of element operations.

Addresses are integer forms over loop names, counted in elements; all sizes are numbers. A value is a
named element ("E") or a named vector of lanes ("V"). Nothing here chooses an order or a tile
(`schedules/`), prints (`targets/`) or runs (`run.py`). It has no branches on data and cannot have:
a condition is a predicate on integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from derive.functions import PARAMETERS
from derive.index import Condition, Form

_CHOICES = {"sub": 2, "mul": 2, "gate": 2, "same": 2, "larger": 3, "smaller": 3, "choose": 3}
_FUNCTIONS = {f"fn_{name}": 1 + len(parameters) for name, parameters in PARAMETERS.items()}

OPERATIONS: dict[str, tuple[str, str]] = {
    "e_zero": ("E", ""),
    "e_load": ("E", "p"),
    "e_store": ("", "pe"),
    "e_fma": ("E", "eee"),
    "e_add": ("E", "ee"),
    "v_zero": ("V", ""),
    "v_load": ("V", "p"),
    "v_store": ("", "pv"),
    "v_load_part": ("V", "pn"),
    "v_store_part": ("", "pvn"),
    "v_store_strided": ("", "pvnn"),
    "v_load_strided": ("V", "pn"),
    "v_splat": ("V", "p"),
    "v_fma": ("V", "vvv"),
    "v_add": ("V", "vv"),
    "v_sum": ("E", "v"),
    "v_load_span": ("V", "pnn"),
    "v_even": ("V", "vv"),
    "v_odd": ("V", "vv"),
    "v_zip_low": ("V", "vv"),
    "v_zip_high": ("V", "vv"),
    "v_held": ("V", "v"),
    "v_kept": ("", "v"),
    "v_transpose": ("", "ppnn"),
    "e_prefetch": ("", "p"),
    "e_apart": ("", ""),
    "e_anew": ("", ""),
    "e_index": ("E", "i"),
    "v_index": ("V", "ii"),
    "e_rational": ("E", "nn"),
    "v_rational": ("V", "nn"),
    **{f"e_{name}": ("E", "e" * count) for name, count in {**_CHOICES, **_FUNCTIONS}.items()},
    **{f"v_{name}": ("V", "v" * count) for name, count in {**_CHOICES, **_FUNCTIONS}.items()},
}
"""Operation: (type of its result, types of its arguments); p pointer, e element, v vector, n integer,
i an integer or a form over loop names.

`larger` and `smaller` take (code, best, x) and, like `same`, give a flag, 1 or 0; `choose` takes (flag, a, b)
and copies; `gate` is a product that is 0 where its second factor is; `fn_<name>` is a function of
`derive.functions` with its parameters; `rational` is the constant n / d. `v_held(x)` is x, in a register,
`v_kept(x)` does nothing but have x in its register until then, `e_apart()` nothing but have no vector in a
register across it, `e_anew()` nothing but have what is loaded after it read from memory again;
`v_load_span(p, f, n)` is zero but for lanes f .. f + n - 1, which are p[0] .. p[n - 1]; `v_even` and `v_odd`
are every second element of two vectors end to end, `v_zip_low` and `v_zip_high` the two halves of what has
its two arguments as every second element;
`v_transpose(to, from, m, n)` copies a block of lanes by lanes, to[i * m + j] = from[j * n + i];
`e_prefetch` is a hint without effect on values, whose address need not lie in its buffer.
"""

RATIONAL = frozenset({"e_rational", "v_rational"})
LARGEST_LITERAL = 2**24
"""Numerators and denominators up to here are exact in every element, so that a constant is rounded once."""


def is_rational(numerator: int, denominator: int) -> bool:
    """Whether two literals may be the arguments of a rational constant."""
    return abs(numerator) <= LARGEST_LITERAL and 0 < denominator <= LARGEST_LITERAL


@dataclass(frozen=True)
class Buffer:
    """A flat array: an operand of the kernel, or a part of the workspace that starts at `offset`.

    `copied` says that a part of the workspace holds operand entries and zeros alone: lanes that are not used
    may then read whatever lies beside a row. Sums there belong to one entry each and must be read once.
    `own` says that each thread has one (`count` elements apart); `packed` that it holds the weight laid out
    anew, written by parts named "pack..." alone and read by the others, where `turn` is not 0 so many
    elements for each step of a turn: then the workspace holds those of one step for each thread.
    """

    name: str
    count: int
    offset: int | None = None
    copied: bool = False
    own: bool = False
    packed: bool = False
    turn: int = 0

    @property
    def scratch(self) -> bool:
        return self.offset is not None


@dataclass(frozen=True)
class Pointer:
    """The element of a buffer at an address."""

    buffer: Buffer
    at: Form


Argument = Pointer | Form | str | int


@dataclass(frozen=True)
class Call:
    """One operation; names of values are strings. Raises ValueError on arguments that do not fit it."""

    operation: str
    arguments: tuple[Argument, ...] = ()

    def __post_init__(self) -> None:
        wanted = OPERATIONS[self.operation][1]
        kinds = {"p": Pointer, "e": str, "v": str, "n": int, "i": Form | int}
        if len(wanted) != len(self.arguments) or not all(
            isinstance(a, kinds[w]) for w, a in zip(wanted, self.arguments, strict=False)
        ):
            raise ValueError(f"{self.operation} takes ({wanted}), got {self.arguments!r}")
        if self.operation in RATIONAL and not is_rational(*self.literals):
            raise ValueError(f"{self.operation} takes numbers up to 2^24, the second above 0")

    @property
    def literals(self) -> tuple[int, ...]:
        """The arguments that are whole numbers."""
        return tuple(a for a in self.arguments if isinstance(a, int))

    @property
    def kind(self) -> str:
        return OPERATIONS[self.operation][0]


@dataclass(frozen=True)
class Comment:
    text: str


@dataclass(frozen=True)
class Assign:
    """name = call; assigning an accumulator again continues it."""

    name: str
    value: Call


@dataclass(frozen=True)
class Do:
    """A store."""

    call: Call


@dataclass(frozen=True)
class Place:
    """name = form, an integer."""

    name: str
    at: Form


@dataclass(frozen=True)
class Branch:
    """A mark that the program came this way; equal in every build of the text."""

    number: int


@dataclass(frozen=True)
class Limit:
    """name = floor(form / divisor), an end of a loop, held inside `edge` and `others`.

    Attributes:
        divisor: positive.
        lift: a number with form + lift * divisor >= 0 wherever this stands, so that the quotient may be
            taken as (form + lift * divisor) / divisor - lift by any rule of rounding.
        upper: whether it is an end from above (the least of all counts) or below (the greatest).
        edge: the loop's own first or last but one value; None where the form never passes it.
        others: names of limits that hold too.
    """

    name: str
    form: Form
    divisor: int
    lift: int
    upper: bool
    edge: int | None = None
    others: tuple[str, ...] = ()

    @property
    def ends(self) -> tuple[int | str, ...]:
        """What the quotient is held inside, in order."""
        return (() if self.edge is None else (self.edge,)) + self.others


@dataclass(frozen=True)
class Loop:
    """for name in range(start, stop, step); a name as start or stop is a `Limit`."""

    name: str
    start: int | str
    stop: int | str
    step: int
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Part:
    """A loop over 0 .. count - 1 as a function of its own, which threads may share out.

    The turns are independent: no turn reads what another writes, and a buffer with `own` is another one for
    each thread. Names of values and places in the body belong to the function.

    Attributes:
        name: the function's, unique in the kernel; "pack" in front says that it reads the weight alone and
            writes the buffer that has `packed`.
        index: the loop's.
        shared: whether threads may share it.
        steps: where not 0, a turn is so many steps, one after another on one thread, and `step` the number of
            one; `first` and `start` are then the first turn and step of a call of the function.
        ahead: the name of the part that packs for this one: where the weight is not packed beforehand, each
            of its steps runs right before the same step here, into the same room each time. What it packs
            lies in the order of turns and steps, that of `first` and `start` where the buffer begins.
    """

    name: str
    index: str
    count: int
    body: tuple[Statement, ...]
    shared: bool = True
    steps: int = 0
    ahead: str = ""


@dataclass(frozen=True)
class If:
    """The body where every condition holds; conditions are on integers only."""

    conditions: tuple[Condition, ...]
    body: tuple[Statement, ...]


Statement = Comment | Assign | Do | Place | Limit | Branch | Loop | Part | If


@dataclass(frozen=True)
class Kernel:
    """One function: out and operands are whole arrays, scratch lies in a workspace of given element count.

    Attributes:
        name: "output", "grad_input", ...
        equation: the closed form that the body computes, as the derivation prints it.
        definitions: the definitions of the helpers that the equation reads.
        notes: what the schedule chose, one sentence each.
        constants: operands that the layer fills, by name: the coefficients and parameters of its claim.
        kept: parts of the scratch that hold a result when the kernel is done (codes of entries taken).
        threads: that share the turns of its parts.
    """

    name: str
    out: Buffer
    operands: tuple[Buffer, ...]
    scratch: tuple[Buffer, ...]
    body: tuple[Statement, ...]
    equation: str = ""
    definitions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    constants: Mapping[str, tuple[Fraction, ...]] = field(default_factory=dict)
    kept: tuple[Buffer, ...] = ()
    threads: int = 1

    @property
    def workspace(self) -> int:
        """Elements of workspace."""
        sizes = ((b, self.threads if b.own or b.turn else 1) for b in self.scratch)
        return max(((b.offset or 0) + (b.turn or b.count) * times for b, times in sizes), default=0)


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement, outer ones first."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop | Part | If):
            yield from statements(statement.body)


def calls(body: tuple[Statement, ...]) -> Iterator[Call]:
    for statement in statements(body):
        if isinstance(statement, Assign):
            yield statement.value
        elif isinstance(statement, Do):
            yield statement.call
