"""Owns the museum's bugs as compiled kernels: wrong claims lowered, wrong loops, each asked of the validator.

Many kernels share one module, so that one run of Cython and gcc serves them all; each is validated by itself
against the right claim of its layer, by `codegen.validate` as any build is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from codegen import compile
from codegen.artefact import Artefact
from codegen.compile import ISAS
from codegen.errors import BuildError
from codegen.facts import facts_of, linear
from codegen.loops import Kernel
from codegen.lower import plainly
from codegen.museum_loops import KERNELS, LOOPS
from codegen.run import Unwritten, run
from codegen.schedules.nest import Target
from codegen.targets.cython.printer import module_text
from codegen.trace import entry_text
from codegen.validate import validate
from codegen.variants import Variants
from derive.claim import Claim
from derive.expr import Tensor
from derive.index import Form
from derive.instance import claim_at
from derive.layers.base import Layer, claims_of
from derive.museum.exhibit import Exhibit
from derive.spelling import parse_layer
from derive.verify_poly import Poly

ISA, DTYPE = "avx2", "float32"
LARGEST = 9
"""Magnitude of the numbers that selecting kernels are interpreted on."""


@dataclass(frozen=True)
class Specimen:
    """One kernel to be validated: what it is, and what it should compute.

    Attributes:
        name: of the kernel in its module.
        layer, shape: of the right claim, of which `result` names the operand or "output".
        right: the claim at sizes that the kernel should compute.
        kernel: the loops: of a wrong claim, wrong themselves, or right.
    """

    name: str
    layer: Layer
    shape: tuple[int, ...]
    result: str
    right: Claim
    kernel: Kernel

    @property
    def products(self) -> bool:
        """Whether claim and kernel are sums of products of entries, which the tracing element can follow."""
        return linear(self.right, facts_of(self.layer, self.shape)) and not self.kernel.constants

    @property
    def selects(self) -> bool:
        """Whether entries are chosen by whole numbers."""
        return bool(self.layer.codes(self.shape))


def target() -> Target:
    isa = ISAS[ISA]
    return Target(isa.lanes(DTYPE), isa.accumulators, isa.registers)


def specimen(exhibit: Exhibit, kind: str) -> Specimen:
    """The kernel of an exhibit's wrong right side ("closed"), or of its right claim ("right")."""
    layer, shape = exhibit.parsed, exhibit.shape
    right = exhibit.at(exhibit.right())
    lowered = right if kind == "right" else exhibit.at(exhibit.wrong(kind))
    name = f"{exhibit.key}-{kind}".replace("-", "_")
    kernel = plainly(exhibit.result, lowered, target(), facts_of(layer, shape))
    return Specimen(name, layer, shape, exhibit.result, right, replace(kernel, name=name))


def right_kernel(text: str, shape: Sequence[int], result: str, name: str = "right") -> Specimen:
    """The right kernel of a layer at a shape, for its loops to be edited."""
    layer, at = parse_layer(text), tuple(shape)
    assert isinstance(layer, Layer)
    right = claim_at(claims_of(type(layer), layer.choices(at))[result], layer.sizes(at))
    kernel = plainly(result, right, target(), facts_of(layer, at))
    return Specimen(name, layer, at, result, right, replace(kernel, name=name))


def with_loops(own: Specimen, title: str) -> Specimen:
    """A specimen with one of LOOPS in it; BuildError where the edit finds nothing to change."""
    kernel = LOOPS[title].edit(own.kernel)
    if kernel == own.kernel:
        raise BuildError("the edit changes nothing", where=own.name, got=title)
    name = f"{own.name}_{title}"
    return replace(own, name=name, kernel=replace(kernel, name=name))


def looped(exhibit: Exhibit) -> Iterator[Specimen]:
    """An exhibit's own kernel with each of its loop bugs."""
    own = right_kernel(exhibit.layer, exhibit.shape, exhibit.result, exhibit.key.replace("-", "_"))
    yield from (with_loops(own, title) for title in exhibit.loops)


def loop_mutants() -> Iterator[tuple[str, Specimen]]:
    """(loop bug, kernel with it) for every right kernel of KERNELS on which the bug is live."""
    for number, (text, shape, result) in enumerate(KERNELS):
        own = right_kernel(text, shape, result, f"loops_{number}_{result}")
        for title, bug in LOOPS.items():
            if bug.edit(own.kernel) != own.kernel and first_wrong(changed := with_loops(own, title)):
                yield title, changed


# ---- what a kernel computes, without a compiler --------------------------------------------------------


def first_wrong(own: Specimen) -> str:
    """The first entry at which a kernel's loops, interpreted, are not the right kernel's; "" where none is.

    On symbols, so that both terms are shown whole; a kernel that selects is run on given whole numbers.
    """
    layer, shape = own.layer, own.shape
    right = plainly(own.result, own.right, target(), facts_of(layer, shape))
    tensors = {t.name: t for t in own.right.setting.inputs}
    given = _numbers(right) if own.selects else _symbols(right, tensors)
    wanted, found = (run(k, given[0], target().lanes) for k in (right, own.kernel))
    for flat, (good, got) in enumerate(zip(wanted, found, strict=True)):
        if not _same(good, got):
            where = entry_text(own.right.target, flat)
            where = where if own.result == "output" else f"grad_{where}"
            return f"{where}: got {_text(got, given[1])}, expected {_text(good, given[1])}"
    return ""


def _symbols(kernel: Kernel, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], list[str]]:
    """Operands of symbols, and what each symbol is called."""
    arrays: dict[str, Any] = {}
    names: list[str] = []
    for buffer in kernel.operands:
        tensor = tensors.get(buffer.name) or Tensor(buffer.name, (Form.of(buffer.count),), ((0,),))
        array = np.empty(buffer.count, object)
        array[:] = [Poly.symbol(len(names) + i) for i in range(buffer.count)]
        arrays[buffer.name] = array
        names += [entry_text(tensor, i) for i in range(buffer.count)]
    return arrays, names


def _numbers(kernel: Kernel) -> tuple[dict[str, Any], list[str]]:
    """Operands of whole numbers below 0, and places for the codes."""
    draw = random.Random(1)
    arrays = {
        b.name: np.array(
            [
                draw.randrange(b.count) if b.name == "indices" else -draw.randint(1, LARGEST)
                for _ in range(b.count)
            ],
            object,
        )
        for b in kernel.operands
    }
    return arrays, []


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Unwritten) or isinstance(other, Unwritten):
        return one is other
    if isinstance(one, Poly) or isinstance(other, Poly):
        left, right = Poly.of(one), Poly.of(other)
        return left is not None and right is not None and left.same(right)
    return bool(one == other)


def _text(value: Any, names: Sequence[str]) -> str:
    if isinstance(value, Unwritten):
        return "what was never written"
    return value.text(lambda number: names[number]) if isinstance(value, Poly) else str(value)


# ---- compiled ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cabinet:
    """One compiled module of many specimens, none of which it trusts."""

    text: str
    variants: Variants
    specimens: Mapping[str, Specimen]

    @staticmethod
    def of(specimens: Sequence[Specimen], folder: Path) -> Cabinet:
        """The module made into C in `folder`; variants are compiled when they are asked for."""
        named = {s.name: s for s in specimens}
        if len(named) < len(specimens):
            raise BuildError("two kernels of one name", where="museum")
        kernels = [replace(s.kernel, name=s.name) for s in specimens]
        text = module_text("kernels of the museum", ("not all of these kernels are right",), kernels)
        folder.mkdir(parents=True, exist_ok=True)
        pyx = folder / "museum.pyx"
        pyx.write_text(text, encoding="utf-8")
        c_path = compile.to_c(pyx, "museum")
        return Cabinet(text, Variants("museum", c_path, ISAS[ISA], target().lanes), named)

    def artefact(self, name: str) -> Artefact:
        """What `codegen.validate` is handed for one specimen: its kernel, and the claim it should compute."""
        own = self.specimens[name]
        kernel = own.kernel
        return Artefact(
            pyx_text=self.text,
            c_path=self.variants.c_path,
            lanes=self.variants.lanes,
            dtype=DTYPE,
            equations={name: own.right},
            operand_order={name: tuple(b.name for b in kernel.operands)},
            workspace_elements={name: kernel.workspace},
            load_variant=self.variants,
            constants={name: kernel.constants},
            kept={name: {b.name: (b.offset or 0, b.count) for b in kernel.kept}},
            layer=own.layer,
            shape=own.shape,
        )

    def refusal(self, name: str, level: str = "fast", seed: int | None = None) -> str:
        """The validator's words on a specimen, or "" where it accepts it."""
        try:
            validate(self.artefact(name), level, seed)
        except BuildError as refused:
            return str(refused)
        return ""
