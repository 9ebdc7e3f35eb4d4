"""Owns what the machine code of a shipped binary looks like: products, spilled vectors, sizes of loops.

The binary is disassembled with objdump, and what it says is set beside the text. Of each kernel:

    products: instructions that multiply and add a vector (of a set without them: that multiply one), beside
        the v_fma in the text of the functions that the kernel calls. The first may be more where gcc copies a
        body (a function inlined twice, a loop peeled or unrolled, functions such as exp), never fewer. A
        v_fma by a constant of the text is not counted: gcc takes half of x once for a + x/2 and a - x/2.
    hot loops: every innermost loop of the text with at least `HOT` v_fma, and the innermost machine loop that
        has as many or a whole multiple of them (gcc unrolls in wholes); None where there is none, as where
        gcc wrote a loop out and the one around it became innermost.
    spills: vectors put on the stack within innermost loops that have a product, as is an accumulator that did
        not fit into a register. There may be none.
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

from codegen.lexical import Function
from codegen.literals import reached
from codegen.logical import Line
from codegen.loops import RATIONAL

HOT = 4
"""Products from which an innermost loop counts as hot."""
PER_RELOAD = 4
LARGEST_BODY = 24 * 1024
"""Bytes that an innermost loop may have: beyond that it does not stay in the caches of instructions."""
_SYMBOL = re.compile(r"^[0-9a-f]+ <(\S+)>:$")
_CODE = re.compile(r"^\s*([0-9a-f]+):\t(?:(?:lock|rep|repz|bnd|notrack|\{\w+\}) )*(\S+)\s*(.*)$")
_TARGET = re.compile(r"^([0-9a-f]+)\b")
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
        hot: of each hot loop of the text its products, and those of the machine loop that is it.
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


def looked_at(binary: Path, pyx_text: str, kernels: Sequence[str], fused: bool) -> dict[str, Found]:
    """The machine code of each kernel of a binary; empty where there is no objdump.

    Args:
        fused: whether the instruction set has products with a sum.
    """
    if shutil.which("objdump") is None:
        return {}
    listing = functions_in(binary)
    return {kernel: _found(listing, pyx_text, kernel, fused) for kernel in kernels}


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


def _found(listing: Mapping[str, list[Code]], pyx_text: str, kernel: str, fused: bool) -> Found:
    """The functions of one kernel: those of its text, and what hands them their arrays, copies included."""
    text = reached(pyx_text, kernel)
    names = {n for f in text for n in (f.name, f"run_{f.name.removeprefix('bf_')}")}
    bodies = [codes for symbol, codes in listing.items() if _is_of(symbol, names)]
    loops = [loop for codes in bodies for loop in _loops(codes, fused)]
    written = [n for function in text for n in _written(function)]
    products = sum(_products(codes, fused) for codes in bodies)
    machine = [loop.products for loop in loops]
    return Found(
        products,
        sum(_counted(f.lines, _constants(f)) for f in text),
        tuple((n, _same(n, machine)) for n in written if n >= HOT),
        sum(loop.spills for loop in loops),
        sum(loop.reloads for loop in loops),
        any(loop.reloads * PER_RELOAD > loop.products for loop in loops),
        sum(codes[-1].at - codes[0].at for codes in bodies if codes),
        max((loop.bytes for loop in loops), default=0),
    )


def _is_of(symbol: str, names: set[str]) -> bool:
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


def _written(function: Function) -> Iterator[int]:
    """The v_fma in each innermost loop of a function's text."""
    lines, constants = function.lines, _constants(function)
    for spot, line in enumerate(lines):
        if line.words[0] != "for":
            continue
        body = []
        for later in lines[spot + 1 :]:
            if later.indent <= line.indent:
                break
            body.append(later)
        if not any(inner.words[0] == "for" for inner in body):
            yield _counted(body, constants)


def _constants(function: Function) -> set[str]:
    """The names that hold constants of the text."""
    return {line.words[0] for line in function.lines if line.words[1:3] in {("=", r) for r in RATIONAL}}


def _counted(lines: Sequence[Line], constants: set[str]) -> int:
    """The v_fma of lines, those by a constant left out."""
    return sum(line.words.count("v_fma") for line in lines if not constants & set(line.words))


def _same(count: int, machine: Sequence[int]) -> int | None:
    """The products of the machine loop that is a text's loop of so many: the least whole multiple."""
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
