"""Owns what the machine code of a shipped binary looks like: products, spilled vectors, sizes of loops.

The binary is disassembled with objdump, and what it says is set beside the loops that the text was printed
from (`expected`), not beside the text, which says whatever the printer made of them. Of each kernel:

    products: instructions that multiply and add a vector (of a set without them: that multiply one), beside
        the v_fma of all of its functions. The first may be more where gcc copies a body (a function inlined
        twice, a loop peeled or unrolled, functions such as exp), never fewer. A v_fma by a constant of the
        text is not counted: gcc takes half of x once for a + x/2 and a - x/2.
    hot loops: every innermost loop of the kernel with at least `HOT` v_fma, and the innermost machine loop
        that has as many or a whole multiple of them (gcc unrolls in wholes); None where there is none, as
        where gcc wrote a loop out and the one around it became innermost.
    spills: vectors put on the stack within innermost loops that have a product, as is an accumulator that did
        not fit into a register. There may be none. In loops without products a vector whose lanes are stored
        apart goes through the stack, where the machine has no instruction for that.
    reloads: vectors read from the stack there: a mask or a splat that stays the same may be, where all
        registers hold sums, but no more than one for each `PER_RELOAD` products of its loop.
    bytes: of the kernel's functions together, and of its largest innermost loop with a product.

Nothing here is part of validation: a kernel that spills is slow, not wrong. The numbers are in the proof
record ("assembly"), and tests hold our schedules to them. What cannot be disassembled is not looked at.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from codegen.artefact import Expected
from codegen.loops import RATIONAL, Assign, Kernel, Part, Statement, statements
from codegen.loops import Loop as Turns
from codegen.targets.cython.parts import functions

HOT = 4
"""Products from which an innermost loop counts as hot."""
PER_RELOAD = 4
LARGEST_BODY = 24 * 1024
"""Bytes that an innermost loop may have: beyond that it does not stay in the caches of instructions."""
_SYMBOL = re.compile(r"^[0-9a-f]+ <(\S+)>:$")
_CODE = re.compile(r"^\s*([0-9a-f]+):\t(?:(?:lock|rep|repz|bnd|notrack|\{\w+\}) )*(\S+)\s*(.*)$")
_TARGET = re.compile(r"^([0-9a-f]+)\b")
_CALLED = re.compile(r"<([^>+]+)>$")
_KERNEL = re.compile(r"_bf_|_run_")
_STACK = re.compile(r"\(%rsp[,)]")
_FRAME = re.compile(r"\(%r[bs]p[,)]")


@dataclass(frozen=True)
class Code:
    """One instruction."""

    at: int
    name: str
    operands: str

    @property
    def product(self) -> bool:
        return self.name.startswith(("vfmadd", "vfmsub", "vfnmadd", "vfnmsub")) and self.packed

    @property
    def multiplies(self) -> bool:
        return self.name in ("mulps", "mulpd", "vmulps", "vmulpd")

    @property
    def packed(self) -> bool:
        return not self.name.endswith(("ss", "sd", "si", "si2ss"))

    @property
    def jump(self) -> int | None:
        """Where it may go on, of a jump."""
        found = _TARGET.match(self.operands) if self.name.startswith("j") else None
        return int(found[1], 16) if found else None

    @property
    def called(self) -> str:
        """The function that it calls or goes on in, by its symbol."""
        found = _CALLED.search(self.operands) if self.name.startswith(("call", "jmp")) else None
        return found[1] if found else ""

    def stacked(self, framed: bool) -> bool:
        """Whether it moves a vector to or from the stack, addressed from %rbp too where that is a frame."""
        stack = (_FRAME if framed else _STACK).search(self.operands)
        return bool(stack) and "mm" in self.operands and self.packed

    @property
    def stores(self) -> bool:
        """Whether its last operand, which is the one that is written, is in memory."""
        return self.operands.endswith(")")


@dataclass(frozen=True)
class Loop:
    """An innermost loop of the machine code: its products, vectors to and from the stack, bytes."""

    products: int
    spills: int
    reloads: int
    bytes: int


@dataclass(frozen=True)
class Found:
    """What there is of one kernel; see the head of this file.

    Attributes:
        hot: of each hot loop of the kernel its products, and those of the machine loop that is it.
        crowded: whether a loop has more reloads than it may.
    """

    products: int
    written: int
    hot: tuple[tuple[int, int | None], ...]
    spills: int
    reloads: int
    crowded: bool
    bytes: int
    largest_loop: int

    @property
    def faults(self) -> list[str]:
        """What is not as it should be, in words."""
        said = []
        if self.products < self.written:
            said.append(f"{self.products} products of {self.written}")
        if self.spills:
            said.append(f"{self.spills} vectors put on the stack in loops")
        if self.crowded:
            said.append(f"{self.reloads} vectors read from the stack in loops")
        if self.largest_loop > LARGEST_BODY:
            said.append(f"a loop of {self.largest_loop:,} bytes")
        return said


def expected(kernel: Kernel) -> Expected:
    """What the loops of a kernel ask for, function by function."""
    written = functions(kernel)
    names = [n for f in written for n in (f"bf_{f.name}", f"run_{f.name}")]
    bodies = [tuple(s for s in f.body if not isinstance(s, Part)) for f in written]
    constants = [_constants(body) for body in bodies]
    each = [(body, known) for body, known in zip(bodies, constants, strict=True) if body]
    products = sum(_counted(body, known) for body, known in each)
    loops = tuple(n for body, known in each for n in _innermost(body, known))
    return Expected(frozenset(names), products, loops)


def _innermost(body: Sequence[Statement], constants: set[str]) -> Iterator[int]:
    """The v_fma of each loop that has no loop inside."""
    for turns in (s for s in statements(tuple(body)) if isinstance(s, Turns)):
        if not any(isinstance(inner, Turns) for inner in statements(turns.body)):
            yield _counted(turns.body, constants)


def _constants(body: Sequence[Statement]) -> set[str]:
    """The names that hold constants of the text."""
    given = (s for s in statements(tuple(body)) if isinstance(s, Assign))
    return {s.name for s in given if s.value.operation in RATIONAL}


def _counted(body: Sequence[Statement], constants: set[str]) -> int:
    """The v_fma of statements, those by a constant left out."""
    given = (s.value for s in statements(tuple(body)) if isinstance(s, Assign))
    return sum(c.operation == "v_fma" and not constants.intersection(c.arguments) for c in given)


def looked_at(binary: Path, kernels: Mapping[str, Expected], fused: bool) -> dict[str, Found]:
    """The machine code of each kernel of a binary; empty where there is no objdump.

    Args:
        kernels: by name what is expected of each.
        fused: whether the instruction set has products with a sum.
    """
    if shutil.which("objdump") is None:
        return {}
    listing = functions_in(binary)
    return {name: _found(listing, each, fused) for name, each in kernels.items()}


def functions_in(binary: Path) -> dict[str, list[Code]]:
    """The instructions of each function of a binary, by its name."""
    command = ["objdump", "-d", "-w", "--no-show-raw-insn", "-j", ".text", str(binary)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, list[Code]] = {}
    current: list[Code] = []
    for line in shown.splitlines():
        if head := _SYMBOL.match(line):
            current = found.setdefault(head[1], [])
        elif code := _CODE.match(line):
            current.append(Code(int(code[1], 16), code[2], code[3]))
    return found


def _found(listing: Mapping[str, list[Code]], kernel: Expected, fused: bool) -> Found:
    """The functions of one kernel, and what hands them their arrays, copies included."""
    bodies = _reached(listing, kernel.functions)
    loops = [loop for codes in bodies for loop in _loops(codes, fused)]
    machine = [loop.products for loop in loops]
    return Found(
        sum(_products(codes, fused) for codes in bodies),
        kernel.products,
        tuple((n, _same(n, machine)) for n in kernel.loops if n >= HOT),
        sum(loop.spills for loop in loops),
        sum(loop.reloads for loop in loops),
        any(loop.reloads * PER_RELOAD > loop.products for loop in loops),
        sum(codes[-1].at - codes[0].at for codes in bodies if codes),
        max((loop.bytes for loop in loops), default=0),
    )


def _reached(listing: Mapping[str, list[Code]], names: frozenset[str]) -> list[list[Code]]:
    """The functions of these names, and those of other kernels that they call.

    Of two functions that say the same gcc keeps one, and has the other call it.
    """
    pending = [symbol for symbol in listing if _is_of(symbol, names)]
    found: dict[str, list[Code]] = {}
    while pending:
        symbol = pending.pop()
        if symbol not in found:
            found[symbol] = listing[symbol]
            called = {code.called for code in listing[symbol]}
            pending += [s for s in called if s in listing and _KERNEL.search(s)]
    return [found[symbol] for symbol in listing if symbol in found]


def _is_of(symbol: str, names: frozenset[str]) -> bool:
    """Whether a symbol is one of the functions, or a copy of one (name.constprop.0, name._omp_fn.0)."""
    plain = symbol.partition(".")[0]
    return any(plain.endswith(f"_{name}") or plain == name for name in names)


def _products(codes: Sequence[Code], fused: bool) -> int:
    return sum(code.product if fused else code.multiplies for code in codes)


def _loops(codes: Sequence[Code], fused: bool) -> Iterator[Loop]:
    """The innermost loops of a function that have products."""
    framed = any(c.name == "mov" and c.operands == "%rsp,%rbp" for c in codes)
    inside = {c.at for c in codes}
    ends: dict[int, int] = {}
    for code in codes:
        if code.jump in inside and code.jump is not None and code.jump <= code.at:
            ends[code.jump] = max(code.at, ends.get(code.jump, 0))
    for start, end in ends.items():
        if any((s, e) != (start, end) and start <= s and e <= end for s, e in ends.items()):
            continue
        body = [c for c in codes if start <= c.at <= end]
        if products := _products(body, fused):
            stacked = [c for c in body if c.stacked(framed)]
            spills = sum(c.stores for c in stacked)
            yield Loop(products, spills, len(stacked) - spills, end - start)


def _same(count: int, machine: Sequence[int]) -> int | None:
    """The products of the machine loop that is a kernel's loop of so many: the least whole multiple."""
    return min((n for n in machine if n % count == 0), default=None)


def recorded(found: Mapping[str, Found]) -> dict[str, dict[str, object]]:
    """For the proof record."""
    return {kernel: asdict(each) for kernel, each in found.items()}


def said(proof: Mapping[str, Mapping[str, object]], object_bytes: int) -> str:
    """One line for a terminal: the size of the object, and of each kernel what its code is."""
    if not proof:
        return f"object {object_bytes:,} bytes; its code was not looked at: no objdump here"
    kernels = []
    for name, each in proof.items():
        spills = f"{each['spills']} vectors spilled" if each["spills"] else "no vector spilled"
        sizes = f"{each['bytes']:,} bytes, largest loop {each['largest_loop']:,}"
        kernels.append(
            f"{name} {each['products']} products for {each['written']} in the text, {spills}, {sizes}"
        )
    return f"object {object_bytes:,} bytes; {'; '.join(kernels)}"
