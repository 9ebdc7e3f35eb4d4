"""ROWS: the largest entry of each contiguous row, lane by lane, then across lanes; a NaN before others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codegen.loops import Assign, Call, Do, Loop, Pointer, Statement
from codegen.schedules.nest import Access, mark, summed
from derive.index import Form

CHAINS = 4


@dataclass(frozen=True)
class Rows:
    """out = the largest of `row` along `line`, which is contiguous and at least two vectors long.
    What is left of a row after whole vectors is seen once more with what stands before it. `lanes` is a power
    of two.
    """

    out: Access
    free: Mapping[str, int]
    row: Access
    line: str
    extent: int
    lanes: int

    def note(self) -> str:
        return f"ROWS: vectors of {self.lanes} along {self.line}"

    def statements(self, numbers: Iterator[int]) -> tuple[Statement, ...]:
        whole = self.extent // self.lanes * self.lanes
        line, row = self.line, self.row
        rest = self.row.at.substitute({self.line: Form()})
        wide = self.lanes * self.chains
        first = self.extent // wide * wide
        body: list[Statement] = [
            mark(next(numbers)),
            Assign("v_taken", Call("v_index", (Form(), 0))),
        ]
        for k, best in enumerate(self.names):
            body.append(Assign(best, Call("v_load", (Pointer(row.buffer, rest + k * self.lanes),))))
        steps = (s for k in range(self.chains) for s in self.step(row.at + k * self.lanes, self.names[k]))
        body.append(Loop(line, wide, first, wide, tuple(steps)))
        for other in self.names[1:]:
            body += self.better(other, self.names[0])
        if first < whole:
            body.append(Loop(line, first, whole, self.lanes, self.step(row.at, self.names[0])))
        if whole < self.extent:
            last = row.at.substitute({line: Form.of(self.extent - self.lanes)})
            body += self.step(last, self.names[0])
        for _ in range(self.lanes.bit_length() - 1):
            body += self.halved(self.names[0])
        body.append(Do(Call("v_store_part", (Pointer(self.out.buffer, self.out.at), self.names[0], 1))))
        return summed(self.free, tuple(body))

    @property
    def chains(self) -> int:
        """Rows of best entries side by side, so that a comparison need not wait for the one before."""
        return min(CHAINS, self.extent // self.lanes)

    @property
    def names(self) -> list[str]:
        return ["v_best", *(f"v_best_{k}" for k in range(1, self.chains))]

    def step(self, at: Form, best: str) -> tuple[Statement, ...]:
        """One more vector of entries compared with the best so far."""
        return (Assign("v_x", Call("v_load", (Pointer(self.row.buffer, at),))), *self.better("v_x", best))

    def halved(self, best: str) -> tuple[Statement, ...]:
        """Lanes compared with their neighbours, so that half as many differ as before."""
        odd, even = Call("v_odd", (best, best)), Call("v_even", (best, best))
        return (Assign("v_x", odd), Assign(best, even), *self.better("v_x", best))

    def better(self, x: str, best: str) -> tuple[Statement, ...]:
        """The better of two, a NaN before others."""
        return (
            Assign("v_flag", Call("v_larger", ("v_taken", best, x))),
            Assign(best, Call("v_choose", ("v_flag", x, best))),
        )
