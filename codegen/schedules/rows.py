"""ROWS: the largest entry of each contiguous row, lane by lane, then across lanes; a NaN before others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codegen.loops import Assign, Buffer, Call, Do, Loop, Pointer, Statement
from codegen.schedules.nest import Access, mark, summed
from derive.index import Form, name

CHAINS = 4


@dataclass(frozen=True)
class Rows:
    """out = the largest of `row` along `line`, which is contiguous and at least two vectors long.

    `side` is a part of the workspace for one vector.
    """

    out: Access
    free: Mapping[str, int]
    row: Access
    line: str
    extent: int
    side: Buffer
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
            Assign("e_taken", Call("e_index", (Form(),))),
        ]
        for k, best in enumerate(self.names):
            body.append(Assign(best, Call("v_load", (Pointer(row.buffer, rest + k * self.lanes),))))
        steps = (
            s for k in range(self.chains) for s in self.step("v", row.at + k * self.lanes, self.names[k])
        )
        body.append(Loop(line, wide, first, wide, tuple(steps)))
        for other in self.names[1:]:
            body += self.better("v", other, self.names[0])
        if first < whole:
            body.append(Loop(line, first, whole, self.lanes, self.step("v", row.at, self.names[0])))
        body += [
            Do(Call("v_store", (Pointer(self.side, Form()), self.names[0]))),
            Assign("e_best", Call("e_load", (Pointer(self.side, Form()),))),
            Loop("lane", 1, self.lanes, 1, self.step("e", name("lane"), "e_best", self.side)),
        ]
        if whole < self.extent:
            body.append(Loop(line, whole, self.extent, 1, self.step("e", row.at, "e_best")))
        body.append(Do(Call("e_store", (Pointer(self.out.buffer, self.out.at), "e_best"))))
        return summed(self.free, tuple(body))

    @property
    def chains(self) -> int:
        """Rows of best entries side by side, so that a comparison need not wait for the one before."""
        return min(CHAINS, self.extent // self.lanes)

    @property
    def names(self) -> list[str]:
        return ["v_best", *(f"v_best_{k}" for k in range(1, self.chains))]

    def step(self, kind: str, at: Form, best: str, buffer: Buffer | None = None) -> tuple[Statement, ...]:
        """One more entry, or vector of entries, compared with the best so far."""
        pointer = Pointer(buffer or self.row.buffer, at)
        return (Assign(f"{kind}_x", Call(f"{kind}_load", (pointer,))), *self.better(kind, f"{kind}_x", best))

    def better(self, kind: str, x: str, best: str) -> tuple[Statement, ...]:
        """The better of two, a NaN before others."""
        flag = f"{kind}_flag"
        return (
            Assign(flag, Call(f"{kind}_larger", (f"{kind}_taken", best, x))),
            Assign(best, Call(f"{kind}_choose", (flag, x, best))),
        )
