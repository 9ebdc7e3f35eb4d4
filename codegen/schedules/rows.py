"""ROWS: the largest entry of each contiguous row, lane by lane, then across lanes; a NaN before others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codegen.loops import Assign, Buffer, Call, Do, Loop, Pointer, Statement
from codegen.schedules.nest import Access, mark, summed
from derive.index import Form, name


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
        line, row = self.line, Pointer(self.row.buffer, self.row.at)
        rest = self.row.at.substitute({self.line: Form()})
        body: list[Statement] = [
            mark(next(numbers)),
            Assign("v_taken", Call("v_index", (Form(), 0))),
            Assign("e_taken", Call("e_index", (Form(),))),
            Assign("v_best", Call("v_load", (Pointer(self.row.buffer, rest),))),
            Loop(
                self.line,
                self.lanes,
                whole,
                self.lanes,
                self.step("v", Pointer(self.row.buffer, self.row.at)),
            ),
            Do(Call("v_store", (Pointer(self.side, Form()), "v_best"))),
            Assign("e_best", Call("e_load", (Pointer(self.side, Form()),))),
            Loop("lane", 1, self.lanes, 1, self.step("e", Pointer(self.side, name("lane")))),
        ]
        if whole < self.extent:
            body.append(Loop(line, whole, self.extent, 1, self.step("e", row)))
        body.append(Do(Call("e_store", (Pointer(self.out.buffer, self.out.at), "e_best"))))
        return summed(self.free, tuple(body))

    def step(self, kind: str, pointer: Pointer) -> tuple[Statement, ...]:
        """One more entry, or vector of entries, compared with the best so far."""
        x, flag, best = f"{kind}_x", f"{kind}_flag", f"{kind}_best"
        return (
            Assign(x, Call(f"{kind}_load", (pointer,))),
            Assign(flag, Call(f"{kind}_larger", (f"{kind}_taken", best, x))),
            Assign(best, Call(f"{kind}_choose", (flag, x, best))),
        )
