"""Owns the packed weight of CHAN schedules: for each group of channels, by c and tap, vectors of channels.

    packed[g, block, c, tap, v, lane] = weight[g, k = (block * vectors + v) * lanes + lane, c, tap]

Where the taps of a channel c lie side by side in the weight, forwards or backwards, blocks of lanes by lanes
are transposed; others are gathered one vector at a time. Lanes past the last channel are zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

from codegen.loops import Assign, Buffer, Call, Do, If, Loop, Part, Place, Pointer, Statement
from codegen.schedules.direct_lines import Tap
from codegen.schedules.direct_words import around, spread, zero
from codegen.schedules.problem import Contraction
from codegen.schedules.turns import parted
from derive.index import Form, Within, Zero, name

GATHER = 20.0
"""Cycles to gather a vector and store it."""
BLOCK = 2.5
"""Cycles for each vector of a block that is transposed."""
THIRD, BEYOND = 2**20, 5.0
"""Elements packed that no cache but the last holds, and cycles for each vector of more."""
FAR, AHEAD, LINE = 512, 4, 16
"""Elements between neighbours c that no machine foresees; how many c to look ahead; those of a cache line."""


@dataclass(frozen=True)
class Packing:
    """How the weight of one contraction is packed, `vectors` of channels at a time.

    Attributes:
        offset: where it begins in the buffer of all packed weights.
    """

    contraction: Contraction
    taps: tuple[Tap, ...]
    lanes: int
    vectors: int
    offset: int = 0

    @property
    def blocks(self) -> int:
        return -(-self.contraction.outs // (self.lanes * self.vectors))

    @property
    def width(self) -> int:
        """Lanes of one tap."""
        return self.lanes * self.vectors

    @property
    def channel(self) -> int:
        """Elements for one c."""
        return self.contraction.taps * self.width

    @property
    def block(self) -> int:
        return self.channel * self.contraction.ins

    @property
    def count(self) -> int:
        return self.block * self.blocks * self.contraction.groups

    @property
    def rest(self) -> int:
        """Channels in the last vector where they do not fill it, else 0."""
        return self.contraction.outs % self.lanes

    @property
    def way(self) -> int:
        """1 where the taps of a channel lie side by side in the weight, -1 where in reverse, else 0."""
        wide = [t for t in self.taps if t.count > 1]
        return next((way for way in (1, -1) if all(t.weight == way * t.packed for t in wide)), 0)

    @property
    def run(self) -> int:
        """Elements side by side in the weight for one channel of the result, 0 where taps are apart."""
        c = self.contraction
        merged = self.way == 1 and c.weight.step("c") == c.taps
        return abs(self.way) * c.taps * (c.ins if merged else 1)

    @property
    def cost(self) -> float:
        c, run = self.contraction, self.run
        vectors = self.count / self.lanes
        beyond = BEYOND if self.count > THIRD else 0.0
        if not run or (run < self.lanes and not self._spare()):
            return vectors * GATHER
        if run < self.lanes:
            return vectors * (BLOCK * self.lanes / run + GATHER / c.ins + beyond)
        return vectors * (BLOCK * -(-run // self.lanes) * self.lanes / run + beyond)

    def part(self, title: str, weight: Buffer, packed: Buffer) -> Part:
        """The part that packs, a turn for each group and block."""
        c = self.contraction
        body = parted("turn", (("g", c.groups), ("block", self.blocks)))
        first = {"g": c.weight.step("g"), "block": c.weight.step("k") * self.width}
        into = {"g": self.block * self.blocks, "block": self.block}
        body += (Place("from_w", spread(first, c.weight.base)), Place("to_w", spread(into, self.offset)))
        for v in range(self.vectors):
            body += self._vector(v, weight, packed)
        return Part(title, "turn", c.groups * self.blocks, body)

    def _vector(self, v: int, weight: Buffer, packed: Buffer) -> tuple[Statement, ...]:
        """One vector of channels of every c and tap; the last one may have fewer channels, or none."""
        k = self.contraction.weight.step("k")
        at, to = name("from_w") + v * self.lanes * k, name("to_w") + v * self.lanes
        left = self.contraction.outs - (self.blocks - 1) * self.width - v * self.lanes
        whole = self._whole(weight, packed, at, to)
        if left >= self.lanes:
            return whole
        last = self._single(weight, packed, at, to, max(left, 0))
        if self.blocks == 1:
            return last
        back = name("block") - (self.blocks - 1)
        return (If((Zero(back),), last), If((Within(name("block"), Form.of(self.blocks - 1)),), whole))

    def _whole(self, weight: Buffer, packed: Buffer, at: Form, to: Form) -> tuple[Statement, ...]:
        """A full vector of channels: in blocks where that may be, else gathered."""
        c, run = self.contraction, self.run
        if run > c.taps and run >= self.lanes:
            return self._blocks(weight, packed, at, to, run)
        own_at, own_to = at + name("c") * c.weight.step("c"), to + name("c") * self.channel
        if run >= self.lanes:
            return (Loop("c", 0, c.ins, 1, self._blocks(weight, packed, own_at, own_to, run)),)
        gathered = self._gathered(weight, packed, own_at, own_to)
        if not run or not self._spare():
            return (Loop("c", 0, c.ins, 1, gathered),)
        first = 0 if self.way == 1 else 1
        block = (*self._asked(weight, own_at), self._block(weight, packed, own_at, own_to, 0))
        return (
            *((Place("c", Form()), *gathered) if first else ()),
            Loop("c", first, c.ins - 1, 1, block),
            *(Place("c", Form.of(c.ins - 1)), *gathered),
        )

    def _spare(self) -> bool:
        """Whether a block wider than a channel's taps stays inside the buffers, end channels c left out.

        The vectors that it writes too many belong to the next c, which comes later.
        """
        c, over = self.contraction, self.lanes - self.contraction.taps
        values = {"g": c.groups - 1, "c": c.ins - 2, "k": c.outs - 1}
        last = c.weight.base + sum(c.weight.step(n) * v for n, v in values.items())
        if self.way == -1:
            low = c.weight.base + c.weight.step("c") - c.taps + 1 - over
            return c.ins > 2 and low >= 0 and over <= c.taps
        return c.ins > 1 and last + self.lanes <= c.weight.buffer.count and over <= c.taps

    def _asked(self, weight: Buffer, at: Form) -> tuple[Statement, ...]:
        """What a later c reads asked for in advance, where that is far away."""
        c = self.contraction
        if c.weight.step("c") < FAR:
            return ()
        first = at + AHEAD * c.weight.step("c") - (c.taps if self.way == -1 else 0)
        lines = range(0, self.lanes * c.weight.step("k"), LINE)
        return tuple(Do(Call("e_prefetch", (Pointer(weight, first + i),))) for i in lines)

    def _blocks(self, weight: Buffer, packed: Buffer, at: Form, to: Form, run: int) -> tuple[Statement, ...]:
        """A run of the weight in blocks, the last one moved back to end with the run."""
        whole, rest = divmod(run, self.lanes)
        body = around(
            "j", 0, whole * self.lanes, self.lanes, (self._block(weight, packed, at, to, name("j")),)
        )
        last = (self._block(weight, packed, at, to, run - self.lanes),) if rest else ()
        return (*body, *last)

    def _block(self, weight: Buffer, packed: Buffer, at: Form, to: Form, tap: Form | int) -> Statement:
        """The packed taps from `tap` on, as many as lanes, of as many channels."""
        by, width = self.contraction.weight.step("k"), self.width
        if self.way == 1:
            into, origin, step = to + tap * width, at + tap, width
        else:
            into, origin, step = to + (tap + self.lanes - 1) * width, at - tap - (self.lanes - 1), -width
        return Do(Call("v_transpose", (Pointer(packed, into), Pointer(weight, origin), step, by)))

    def _gathered(self, weight: Buffer, packed: Buffer, at: Form, to: Form) -> tuple[Statement, ...]:
        """All taps of a channel c, a vector at a time."""
        origin = Pointer(weight, at + self._sum("weight"))
        return self._by_tap(
            Assign("x", Call("v_load_strided", (origin, self.contraction.weight.step("k")))),
            Do(Call("v_store", (Pointer(packed, to + self._sum("packed") * self.width), "x"))),
        )

    def _single(
        self, weight: Buffer, packed: Buffer, at: Form, to: Form, count: int
    ) -> tuple[Statement, ...]:
        """Every c and tap for a vector of `count` channels and zeros, an element at a time."""
        c = self.contraction
        origin = at + name("c") * c.weight.step("c") + self._sum("weight")
        into = to + name("c") * self.channel + self._sum("packed") * self.width
        body: list[Statement] = [Place("w_at", origin), Place("w_to", into), zero("x")]
        body.append(Do(Call("v_store", (Pointer(packed, name("w_to")), "x"))))
        for k in range(count):
            one = Pointer(weight, name("w_at") + k * c.weight.step("k"))
            body.append(Assign("one", Call("e_load", (one,))))
            body.append(Do(Call("e_store", (Pointer(packed, name("w_to") + k), "one"))))
        return (Loop("c", 0, c.ins, 1, self._by_tap(*body)),)

    def _sum(self, kind: str) -> Form:
        """Elements from tap 0 to the current one."""
        return spread({f"t_{i}": getattr(t, kind) for i, t in enumerate(self.taps)})

    def _by_tap(self, *body: Statement) -> tuple[Statement, ...]:
        for i, tap in reversed(list(enumerate(self.taps))):
            body = around(f"t_{i}", 0, tap.count, 1, body)
        return body
