"""Owns the traced run of one kernel: leaves in, the kernel's own code, a verdict on every entry out.

The tracing element (targets/cython/elem_trace.h) carries, through the very text that ships, the set of
the definition's terms that a value is the sum of. A verdict is therefore no matter of chance: every
entry of the result either is the sum of exactly its terms, each once, or is named.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from codegen.plan import CPlan, Plan
from codegen.relation import shape_of
from derive.expr import Tensor

Words = NDArray[np.uint64]
REASONS = (
    "holds a value that the kernel never computed",
    "was never written",
    "has a product that is no term of the definition",
    "adds a term of another entry",
    "has a term twice",
    "adds an operand entry that is no term of it",
    "multiplies a sum",
    "uses an operand of an earlier run",
    "uses a partial sum that was continued elsewhere or belongs to an earlier run",
    "adds two partial sums that share a term",
    "could not be followed: the trace ran out of memory",
    "misses terms",
    "holds the sum that belongs to another entry",
)
"""What each reason of trace_slots.h says of an entry, in its order."""
MISSING, WRONG_ENTRY = 11, 12
OF_PRODUCTS = (2, 3, 4, 6)
"""The reasons whose two words were multiplied; the others speak of a sum."""


class CCounts(ctypes.Structure):
    names = ("products", "zero_products", "additions", "slots", "sets", "bytes", "exhausted")
    _fields_ = tuple((n, ctypes.c_int64) for n in names)


class CVerdict(ctypes.Structure):
    _fields_ = (
        *((n, ctypes.c_int64) for n in ("entry", "reason", "count", "missing", "result")),
        *((n, ctypes.c_uint64) for n in ("word", "a", "b")),
    )


@dataclass(frozen=True)
class Verdict:
    """What a traced run found: `wrong` entries, the first told in `story` and `expected`."""

    entries: int
    terms: int
    wrong: int
    story: str
    expected: str
    counts: dict[str, int]

    @property
    def exhausted(self) -> bool:
        return bool(self.counts["exhausted"])


class Tracer:
    """The tracing build of a module, ready to run one plan after another."""

    def __init__(self, module: ModuleType) -> None:
        assert module.__file__ is not None
        library = ctypes.CDLL(module.__file__)
        self._begin, self._leaves = library.bf_trace_begin, library.bf_trace_leaves
        self._judge, self._set, self._counts = (
            library.bf_trace_judge,
            library.bf_trace_set,
            library.bf_trace_counts,
        )
        self._begin.argtypes, self._begin.restype = (ctypes.POINTER(CPlan), ctypes.c_int64), None
        self._leaves.argtypes, self._leaves.restype = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64), None
        self._judge.argtypes, self._judge.restype = (
            (ctypes.c_void_p, ctypes.POINTER(CVerdict)),
            ctypes.c_int64,
        )
        self._set.argtypes, self._set.restype = (ctypes.c_uint64,), ctypes.c_void_p
        self._counts.argtypes, self._counts.restype = (ctypes.POINTER(CCounts),), None
        self._generation = 0

    def begin(self, plan: Plan) -> None:
        """Starts a new run; every word of an earlier one is stale from here on."""
        self._generation = self._generation % 63 + 1
        self._begin(ctypes.byref(plan.c_plan), self._generation)

    def release(self) -> None:
        """Frees the memory of the last run."""
        self._begin(None, 0)

    def leaves(self, plan: Plan, tensor: Tensor) -> Words:
        """The operand `tensor` with every entry a leaf of this run."""
        words = np.zeros(shape_of(tensor), np.uint64)
        number = plan.operands.index(tensor.name) if tensor.name in plan.operands else 255
        self._leaves(words.ctypes.data, number, words.size)
        return words

    def judge(self, plan: Plan, out: Words) -> Verdict:
        """Every entry of `out` against the definition."""
        found, counts = CVerdict(), CCounts()
        wrong = int(self._judge(out.ctypes.data, ctypes.byref(found)))
        self._counts(ctypes.byref(counts))
        story, expected = self._story(plan, found) if wrong else ("", "")
        numbers = {n: int(getattr(counts, n)) for n in CCounts.names}
        return Verdict(len(plan.expected), int(plan.expected.sum()), wrong, story, expected, numbers)

    def _story(self, plan: Plan, found: CVerdict) -> tuple[str, str]:
        """What the first wrong entry was found to be, and what it should be."""
        entry, terms = entry_text(plan.relation.result, found.entry), int(plan.expected[found.entry])
        reason = found.reason if found.reason < len(REASONS) else 0
        if reason == MISSING:
            missing = self._missing(plan, found)
            tail = f", not {missing}" if missing else ""
            return f"{entry} has {found.count} of its {terms} terms{tail}", f"all {terms} terms"
        words = [_word_text(plan, w) for w in dict.fromkeys((found.a, found.b)) if w]
        joined = ": " + (" * " if reason in OF_PRODUCTS else " and ").join(words) if words else ""
        owner = entry_text(plan.relation.result, found.result) if found.result >= 0 else ""
        if reason == WRONG_ENTRY:
            joined = f": {owner}"
        elif owner and joined:
            joined += f", in the sum of {owner}"
        should = next(
            (t for w in (found.a, found.b) if (t := self._partner(plan, found.entry, w))),
            self._missing(plan, CVerdict(entry=found.entry)) or "nothing: no term has this entry",
        )
        return f"{entry} {REASONS[reason]}{joined}", f"{terms} term{'s' * (terms != 1)}, among them {should}"

    def _partner(self, plan: Plan, entry: int, word: int) -> str:
        """The entry's term that has the leaf `word` as a factor, if there is one."""
        operand, flat = (word >> 48) & 255, word & (2**48 - 1)
        if word >> 62 != 2 or operand >= len(plan.operands):
            return ""
        for family in plan.families:
            names = [t.name for t in family.tensors]
            if plan.operands[operand] in names[1:]:
                term = family.term_with(entry, names.index(plan.operands[operand], 1), flat)
                if term:
                    return _term_text(family.tensors[1:], term)
        return ""

    def _missing(self, plan: Plan, found: CVerdict) -> str:
        """The first term of the entry that is not in its sum."""
        bits = np.zeros(0, np.uint8)
        pointer = self._set(found.word)
        if pointer:
            words = (plan.c_plan.ranks + 63) // 64
            raw = np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_uint64)), (words,))
            bits = np.unpackbits(raw.view(np.uint8), bitorder="little")
        for rank in range(plan.c_plan.ranks):
            if rank < len(bits) and bits[rank]:
                continue
            family, inner = plan.family_of(rank)
            if family.has(found.entry, inner):
                term = family.term(found.entry, inner)
                return _term_text(family.tensors[1:], term)
        return ""


def entry_text(tensor: Tensor, flat: int) -> str:
    """A tensor's entry by its row-major number, as `name[i, j]` as the user sees it."""
    return _term_text((tensor,), (tuple(int(i) for i in np.unravel_index(flat, shape_of(tensor))),))


def _term_text(tensors: tuple[Tensor, ...], indices: tuple[tuple[int, ...], ...]) -> str:
    shown = []
    for tensor, index in zip(tensors, indices, strict=True):
        shape, user = shape_of(tensor), []
        for group in tensor.layout:
            position = 0
            for axis in group:
                position = position * shape[axis] + index[axis]
            user.append(position)
        shown.append(f"{tensor.name}[{', '.join(map(str, user))}]")
    return " * ".join(shown)


def _word_text(plan: Plan, word: int) -> str:
    """A leaf word as the operand entry it is; another word by its kind."""
    kind, operand, flat = word >> 62, (word >> 48) & 255, word & (2**48 - 1)
    if kind != 2:
        return ("a spoiled value", "zero", "", "a partial sum")[kind]
    named = {t.name: t for t in plan.relation.operands}
    if operand >= len(plan.operands) or flat >= np.prod(shape_of(named[plan.operands[operand]])):
        return "an operand that the definition does not use"
    return entry_text(named[plan.operands[operand]], flat)
