"""Owns one step of a WOVEN schedule: what is read for it, its products, and how the entries are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from codegen.algebra import slope
from codegen.loops import Call, Do, Pointer
from codegen.schedules.nest import Access, Choice, Term, mark
from codegen.schedules.values import Values
from derive.index import Form

if TYPE_CHECKING:
    from codegen.schedules.woven import Woven


@dataclass(frozen=True)
class Step:
    """The entries of one step along the line: `count` lanes, each of one or two entries."""

    woven: Woven
    values: Values
    count: int

    def written(self, number: int) -> None:
        """Adds the statements of the step."""
        woven, inner = self.woven, self.values.levels[-1]
        inner.append(mark(number))
        places = [{woven.pair: Form.of(k)} for k in (0, 1)] if woven.pair else [{}]
        found = [self.selected(p) if woven.ending.first else (self.summed(p), "") for p in places]
        self.stored(woven.out, [best for best, _ in found])
        if woven.ending.codes is not None:
            self.stored(woven.ending.codes, [code for _, code in found])

    def stored(self, access: Access, found: Sequence[str]) -> None:
        """One vector of entries, or two woven."""
        at, store = access.at.substitute({self.woven.pair: Form()}), self.store
        if len(found) == 1:
            store(access, at, found[0], self.count, access.slope(self.woven.line))
            return
        store(access, at, self.values("v_zip_low", *found), min(2 * self.count, self.woven.lanes), 1)
        if (rest := 2 * self.count - self.woven.lanes) > 0:
            high = self.values("v_zip_high", *found)
            store(access, at + self.woven.lanes, high, rest, 1)

    def store(self, access: Access, at: Form, value: str, count: int, by: int) -> None:
        pointer, inner = Pointer(access.buffer, at), self.values.levels[-1]
        if by != 1:
            inner.append(Do(Call("v_store_strided", (pointer, value, count, by))))
        elif count < self.woven.lanes:
            inner.append(Do(Call("v_store_part", (pointer, value, count))))
        else:
            inner.append(Do(Call("v_store", (pointer, value))))

    # ------------------------------------------------------------ sums

    def summed(self, place: Mapping[str, Form]) -> str:
        """The sum of all terms; one entry alone is that entry."""
        terms = [t.at_values(place) for t in self.woven.terms]
        if len(terms) == 1 and len(terms[0].factors) == 1 and not terms[0].bound and not terms[0].choices:
            return self.read(terms[0].factors[0])
        total = self.values("v_zero")
        for term in terms:
            total = self.added(total, term, list(term.bound))
        return total

    def added(self, total: str, term: Term, left: Sequence[str]) -> str:
        """A total and the products of a term, value by value of the indices that are left."""
        if not left:
            return self.more(total, list(map(self.read, term.factors)), term.choices)
        ahead = [a for a in term.factors if not a.at.names & set(left)]
        if 0 < len(ahead) < len(term.factors) and self.woven.long and not term.choices:
            rest = tuple(a for a in term.factors if a not in ahead)
            inner = self.added(self.values("v_zero"), replace(term, factors=rest), left)
            return self.more(total, [*map(self.read, ahead), inner], ())
        for value in range(term.bound[left[0]]):
            total = self.added(total, term.at_values({left[0]: Form.of(value)}), left[1:])
        return total

    def more(self, total: str, factors: Sequence[str], choices: Sequence[Choice]) -> str:
        """A total and one product, which counts where all choices are met."""
        nought = self.values("v_zero")
        while len(factors) > 2 or (choices and len(factors) > 1):
            factors = [self.values("v_fma", nought, *factors[:2]), *factors[2:]]
        for choice in choices:
            code, here = self.read(choice.code), self.index(choice.value)
            factors = [self.values("v_choose", self.values("v_same", code, here), factors[0], nought)]
        return self.values("v_fma" if len(factors) == 2 else "v_add", total, *factors)

    # ------------------------------------------------------------ selections

    def selected(self, place: Mapping[str, Form]) -> tuple[str, str]:
        """The first largest (or smallest) entry of all that are read, and its code."""
        how = "v_larger" if self.woven.ending.first == "largest" else "v_smaller"
        best = code = ""
        for term in self.woven.terms:
            ranges = [range(e) for e in term.bound.values()]
            for numbers in product(*ranges):
                at = dict(zip(term.bound, map(Form.of, numbers), strict=True))
                one = term.at_values({**place, **at})
                value, here = self.read(one.factors[0]), self.index(one.choices[0].value)
                if not best:
                    best, code = value, here
                    continue
                flag = self.values(how, self.index(Form()), best, value)
                best = self.values("v_choose", flag, value, best)
                code = self.values("v_choose", flag, here, code)
        return best, code

    # ------------------------------------------------------------ what is read

    def index(self, value: Form) -> str:
        """A whole number, which moves with the lanes along the line."""
        return self.values("v_index", value, slope(value, self.woven.line))

    def read(self, access: Access) -> str:
        """The entries of an access along the line."""
        by, lanes = access.slope(self.woven.line), self.woven.lanes
        if by == 0:
            return self.values("v_splat", Pointer(access.buffer, access.at))
        if by == 1:
            return self.load(access, access.at, self.count)
        if by != 2:
            return self.values("v_load_strided", Pointer(access.buffer, access.at), by)
        at, number = parted(access.at)
        start, odd = self.woven.twins[access.buffer.name, at, number]
        both = (access.buffer.name, at, start + 1) in self.woven.twins
        if not both and self.count == lanes:
            return self.values("v_load_strided", Pointer(access.buffer, access.at), 2)
        needed = 2 * self.count - (not both)
        first = self.load(access, at + start, min(needed, lanes))
        second = self.load(access, at + start + lanes, needed - lanes) if needed > lanes else first
        return self.values("v_odd" if odd else "v_even", first, second)

    def load(self, access: Access, at: Form, count: int) -> str:
        pointer = Pointer(access.buffer, at)
        if count < self.woven.lanes:
            return self.values("v_load_part", pointer, count)
        return self.values("v_load", pointer)


def parted(at: Form) -> tuple[Form, int]:
    """A form without its number, and the number."""
    number = int(at.substitute({n: Form() for n in at.names}).constant or 0)
    return at - number, number
