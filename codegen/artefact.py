"""Owns the hand-over from building to validating: a text, its C file, and how to compile it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from derive.claim import Claim

SHIPPED_ELEMENT = {"float32": "BF_ELEMENT_FLOAT", "float64": "BF_ELEMENT_DOUBLE"}
"""The element macro of the binary that ships, by NumPy dtype name."""


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
    """

    pyx_text: str
    c_path: Path
    lanes: int
    dtype: str
    equations: Mapping[str, Claim]
    operand_order: Mapping[str, tuple[str, ...]]
    workspace_elements: Mapping[str, int]
    load_variant: Callable[[tuple[str, ...]], ModuleType]
