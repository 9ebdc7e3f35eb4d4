"""Owns the hand-over from building to validating: a text, its C file, and how to compile it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import ModuleType

from derive.claim import Claim
from derive.layers.base import Layer

SHIPPED_ELEMENT = {"float32": "BF_ELEMENT_FLOAT", "float64": "BF_ELEMENT_DOUBLE"}
"""The element macro of the binary that ships, by NumPy dtype name."""


@dataclass(frozen=True)
class Expected:
    """What there must be of one kernel's machine code, by the loops that its text is printed from.

    Attributes:
        functions: as the text and what hands them their arrays call them.
        products: the v_fma of all of them.
        loops: the v_fma of each innermost loop.
    """

    functions: frozenset[str]
    products: int
    loops: tuple[int, ...]


@dataclass(frozen=True)
class Artefact:
    """What a build hands to `codegen.validate.validate`.

    Attributes:
        pyx_text: the generated Cython text, whole.
        c_path: the C file that Cython made of it, from which every variant is compiled.
        lanes: elements in a vector (BF_LANES).
        dtype: "float32" or "float64", the element of the shipped binary.
        equations: by kernel name ("output", "grad_input", ...) the claim at sizes it computes.
        operand_order: by kernel name the operands after `out`, as `call_<name>` takes them.
        workspace_elements: by kernel name the least number of elements of its workspace.
        load_variant: compiles `c_path` with the given preprocessor definitions on top of the build's own
            flags ("BF_ELEMENT_TRACE", "BF_MARKS", ...; no -D, BF_LANES is added by the build) and returns
            the loaded module; the shipped binary is the variant (SHIPPED_ELEMENT[dtype],).
        constants: by kernel name the operands that are no tensors of the claim but numbers of the kernel's
            own: coefficients and parameters ("constants"), tensors of given rationals.
        kept: by kernel name the parts of the workspace that hold a result afterwards: codes of the entries
            taken, by operand name, as (first element, number of elements).
        layer: what the claims are of, at input shape `shape`; its codes, shifts, parameters and tables say
            what the other operands may be.
        packed: by kernel name the elements of its packed weight, 0 or absent where it has none.
        expected: by kernel name what its machine code must have.
    """

    pyx_text: str
    c_path: Path
    lanes: int
    dtype: str
    equations: Mapping[str, Claim]
    operand_order: Mapping[str, tuple[str, ...]]
    workspace_elements: Mapping[str, int]
    load_variant: Callable[[tuple[str, ...]], ModuleType]
    constants: Mapping[str, Mapping[str, tuple[Fraction, ...]]] = field(default_factory=dict)
    kept: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    layer: Layer | None = None
    shape: tuple[int, ...] = ()
    packed: Mapping[str, int] = field(default_factory=dict)
    expected: Mapping[str, Expected] = field(default_factory=dict)
