"""Owns one step of a WOVEN schedule: what is read for it, its products, and how the entries are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from codegen.algebra import slope
from codegen.loops import Argument, Call, Do, Pointer
from codegen.schedules.nest import Access, Choice, Term, mark
from codegen.schedules.values import Values
from codegen.schedules.woven_lanes import Block, Lanes, lanes_of, listed
from derive.index import Form, name

if TYPE_CHECKING:
    from codegen.schedules.woven import Woven


@dataclass(frozen=True)
class Step:
    """The entries of one step along the line, each lane one or two of them."""

    woven: Woven
    values: Values
    block: Block
    at: Mapping[str, Form] = field(default_factory=dict)
    """The value of the index that is written out."""

    @property
    def count(self) -> int:
        """Lanes that are stored."""
        return self.block.count

    def written(self, number: int) -> None:
        """Adds the statements of the step."""
        self.values.levels[-1].append(mark(number))
        for value in range(self.woven.free[self.woven.rows] if self.woven.rows else 1):
            at = {self.woven.rows: Form.of(value)} if self.woven.rows else {}
            replace(self, at=at).entries()

    def entries(self) -> None:
        """Adds the statements of one row of the step."""
        woven = self.woven
        out = woven.out.at_values(self.at)
        if not woven.ending.first:
            self.stored(out, [self.summed(place) for place in range(len(woven.places))])
            return
        best, code = self.selected(woven.places[0])
        self.stored(out, [best])
        if woven.ending.codes is not None:
            self.stored(woven.ending.codes.at_values(self.at), [code])

    def value(self, operation: str, *arguments: Argument) -> str:
        """The name of what an operation on vectors gives, or on elements where there is no line."""
        return self.values(f"{'v' if self.woven.line else 'e'}_{operation}", *arguments)

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
        if not self.woven.line:
            inner.append(Do(Call("e_store", (pointer, value))))
        elif by != 1:
            inner.append(Do(Call("v_store_strided", (pointer, value, count, by))))
        elif count < self.woven.lanes:
            inner.append(Do(Call("v_store_part", (pointer, value, count))))
        else:
            inner.append(Do(Call("v_store", (pointer, value))))

    # ------------------------------------------------------------ sums

    def summed(self, place: int) -> str:
        """The sum of all terms at a place of the pair; one entry alone is that entry."""
        fixed = {**self.at, **({self.woven.pair: Form.of(place)} if self.woven.pair else {})}
        terms = [t.at_values(fixed) for t in self.woven.places[place]]
        alone = terms[0] if len(terms) == 1 and not terms[0].bound and not terms[0].choices else None
        if alone and len(alone.factors) == 1:
            return self.read(alone.factors[0], self.lanes(alone, {}))
        total = self.value("zero")
        for term in terms:
            total = self.added(total, term, list(term.bound), {})
        return total

    def added(self, total: str, term: Term, left: Sequence[str], at: Mapping[str, int]) -> str:
        """A total and the products of a term, value by value of the indices that are left."""
        if not left:
            met = self.lanes(term, at)
            if not met.count:
                return total
            return self.more(total, [self.read(a, met) for a in term.factors], term.choices, met)
        ahead = [a for a in term.factors if not a.at.names & set(left)]
        if 0 < len(ahead) < len(term.factors) and self.apart(term):
            rest = tuple(a for a in term.factors if a not in ahead)
            inner = self.added(self.value("zero"), replace(term, factors=rest), left, at)
            return self.more(total, [*(self.read(a, self.all) for a in ahead), inner], (), self.all)
        for value in range(term.bound[left[0]]):
            one = term.at_values({left[0]: Form.of(value)})
            total = self.added(total, one, left[1:], {**at, left[0]: value})
        return total

    def apart(self, term: Term) -> bool:
        """Whether factors that an inner sum does not change are multiplied after it."""
        return self.woven.long and not term.choices and self.block.plain

    def more(self, total: str, factors: Sequence[str], choices: Sequence[Choice], met: Lanes) -> str:
        """A total and one product, which counts where all choices are met."""
        nought = self.value("zero")
        while len(factors) > 2 or (choices and len(factors) > 1):
            factors = [self.value("fma", nought, *factors[:2]), *factors[2:]]
        for choice in choices:
            factors = [self.value("choose", self.met(choice, met), factors[0], nought)]
        return self.value("fma" if len(factors) == 2 else "add", total, *factors)

    def met(self, choice: Choice, met: Lanes) -> str:
        """Whether a choice is met; where codes of a step move along together, less what moves."""
        code, (at, number) = self.read(choice.code, met), parted(choice.value)
        if at not in self.woven.near:
            return self.value("same", code, self.index(choice.value))
        return self.value("same", self.value("sub", code, self.index(at)), self.index(Form.of(number)))

    # ------------------------------------------------------------ selections

    def selected(self, terms: Sequence[Term]) -> tuple[str, str]:
        """The first largest (or smallest) entry of all that are read, and its code.

        Codes differ from the least one by numbers that are the same at every step: those are chosen among,
        and the least code, which moves along, is added at the end.
        """
        here = [t.at_values(self.at) for t in terms]
        entries = [(t, at, self.lanes(t, at)) for t in here for at in listed(t)]
        placed = [
            (t.at_values({n: Form.of(v) for n, v in at.items()}), met) for t, at, met in entries if met.count
        ]
        codes = [t.choices[0].value for t, _ in placed]
        least = min(codes, key=lambda c: (c - codes[0]).constant or 0)
        if not least.names or any((c - least).constant is None for c in codes):
            least = Form()
        best = code = ""
        if not self.block.plain:
            best, code = self.value("zero"), self.index(Form.of(-1))
        for (term, met), value in zip(placed, codes, strict=True):
            best, code = self.better(best, code, term, self.index(value - least), met)
        if self.woven.ending.codes is None or not least.names:
            return best, code
        return best, self.value("add", code, self.index(least))

    def better(self, best: str, code: str, term: Term, here: str, met: Lanes) -> tuple[str, str]:
        """The better of the best entry so far and one more; lanes that do not meet conditions keep theirs."""
        value = self.read(term.factors[0], met)
        if not best:
            return value, here
        for lane in self.others(met):
            place = self.index(Form.of(self.block.start + lane))
            off = self.value("same", self.index(name(self.woven.line)), place)
            value = self.value("choose", off, best, value)
            here = self.value("choose", off, code, here)
        how = "larger" if self.woven.ending.first == "largest" else "smaller"
        flag = self.value(how, self.index(Form()) if self.block.plain else code, best, value)
        best = self.value("choose", flag, value, best)
        if self.block.plain and self.woven.ending.codes is None:
            return best, here
        return best, self.value("choose", flag, here, code)

    @property
    def all(self) -> Lanes:
        return Lanes(0, self.count)

    def lanes(self, term: Term, at: Mapping[str, int]) -> Lanes:
        """The lanes that meet the conditions of a term at values of its sums."""
        if self.block.plain or not term.conditions:
            return self.all
        found = lanes_of(term, at, self.woven.line, self.block.start, self.count)
        assert found is not None
        return found

    def others(self, met: Lanes) -> list[int]:
        """Lanes of the block that are not among those."""
        return [lane for lane in range(self.count) if not met.first <= lane < met.first + met.count]

    # ------------------------------------------------------------ what is read

    def index(self, value: Form) -> str:
        """A whole number, which moves with the lanes along the line."""
        return self.value("index", value, slope(value, self.woven.line))

    def read(self, access: Access, met: Lanes) -> str:
        """The entries of an access along the line, zero in lanes beside those that are met."""
        by, lanes = access.slope(self.woven.line), self.woven.lanes
        if not self.woven.line:
            return self.value("load", Pointer(access.buffer, access.at))
        if by == 0:
            return self.value("splat", Pointer(access.buffer, access.at))
        if by == 1:
            return self.load(access, access.at, met.first, met.count)
        if by != 2:
            return self.value("load_strided", Pointer(access.buffer, access.at), by)
        at, number = parted(access.at)
        start, odd = self.woven.twins[access.buffer.name, at, number]
        both = (access.buffer.name, at, start + 1) in self.woven.twins and self.block.plain
        if not both and met.count == lanes:
            return self.value("load_strided", Pointer(access.buffer, access.at), 2)
        first = 2 * met.first + (0 if both else odd)
        stop = 2 * (met.first + met.count) - (0 if both or odd else 1)
        one, two = (
            self.load(access, at + start + k, max(first - k, 0), min(stop - k, lanes) - max(first - k, 0))
            for k in (0, lanes)
        )
        return self.value("odd" if odd else "even", one, two)

    def load(self, access: Access, at: Form, first: int, count: int) -> str:
        """A vector from an address on, of which lanes are read."""
        if count <= 0:
            return self.value("zero")
        pointer = Pointer(access.buffer, at + first)
        if first:
            return self.value("load_span", pointer, first, count)
        if count < self.woven.lanes:
            return self.value("load_part", pointer, count)
        return self.value("load", pointer)


def parted(at: Form) -> tuple[Form, int]:
    """A form without its number, and the number."""
    number = int(at.substitute({n: Form() for n in at.names}).constant or 0)
    return at - number, number
