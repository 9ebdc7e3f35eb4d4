"""Owns what every layer offers: its text, operands, claims over symbolic sizes, and sizes at a shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.expr import Tensor
from derive.index import Form


@dataclass(frozen=True)
class Operand:
    """One tensor of a layer at given sizes, as every signature, workspace and document sees it.

    Attributes:
        name: "input", "weight", "bias", "output" or "grad_output".
        shape: the user's shape (PyTorch's layout).
        dtype: "floating" (the kernel's element type) or a NumPy dtype name.
        differentiable: whether a gradient with respect to it is derived.
        saved: whether backward needs its value again.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "floating"
    differentiable: bool = False
    saved: bool = False


@dataclass(frozen=True, repr=False)
class Layer:
    """Base of the layers; a subclass is a frozen dataclass whose fields are the constructor's arguments.

    `tag`s of the claims: "output" for the forward form and an operand's name for its gradient.
    """

    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = ()
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {}
    """Every discrete choice that `claims` takes, with its possible values, the usual one first."""

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """The layer's claims over symbolic sizes, for the given discrete choices (others as usual)."""
        raise NotImplementedError(f"{cls.__name__}: add claims() in derive/layers/")

    @classmethod
    def chosen(cls, choices: Mapping[str, Any]) -> dict[str, Any]:
        """Every discrete choice: the given ones, the usual value for the rest."""
        for key, value in choices.items():
            if key not in cls.discrete or value not in cls.discrete[key]:
                allowed = "; ".join(f"{k}: {' or '.join(map(str, v))}" for k, v in cls.discrete.items())
                raise LayerError(
                    "no such discrete choice", where=cls.__name__, expected=allowed, got=f"{key}={value!r}"
                )
        return {key: values[0] for key, values in cls.discrete.items()} | dict(choices)

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        """The discrete choices (bias, batched) that this instance makes at this shape."""
        raise NotImplementedError

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        """A value for every size named in `claims`; raises LayerError where the shape does not fit."""
        raise NotImplementedError

    def operands(self, input_shape: Sequence[int], training: bool = False) -> tuple[Operand, ...]:
        """The operands table at a shape; signatures, workspaces, documents and kernels follow it."""
        raise NotImplementedError

    def output_shape(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        return next(o.shape for o in self.operands(input_shape) if o.name == "output")

    def array_program(self, wrt: str, input_shape: Sequence[int]) -> Any:
        """A gradient executed on symbol numbers (`derive.program.Program`), as a reference; or None."""
        return None

    def to_sympy(self, input_shape: Sequence[int]) -> Any:
        """Forward entries and loss as SymPy; see `derive.meaning.SymbolicLayer`."""
        from derive.meaning import symbolic_layer

        return symbolic_layer(self, tuple(input_shape))

    def __repr__(self) -> str:
        shown = [
            f for f in fields(self) if f.metadata.get("positional") or getattr(self, f.name) != f.default
        ]
        parts = [
            repr(getattr(self, f.name))
            if f.metadata.get("positional")
            else f"{f.name}={getattr(self, f.name)!r}"
            for f in shown
        ]
        return f"{type(self).__name__}({', '.join(parts)})"


def user_shape(tensor: Tensor, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape a user sees: each layout group's extents multiplied."""
    extents = [int(f.evaluate(sizes)) for f in tensor.shape]
    shape = []
    for group in tensor.layout:
        product = 1
        for axis in group:
            product *= extents[axis]
        shape.append(product)
    return tuple(shape)


def flat_index(tensor: Tensor, index: Sequence[Form]) -> tuple[Form, ...]:
    """A read's index as the user sees it: each layout group flattened in row-major order."""
    seen = []
    for group in tensor.layout:
        flat = Form()
        for axis in group:
            flat = flat * tensor.shape[axis] + index[axis]
        seen.append(flat)
    return tuple(seen)


def internal_index(tensor: Tensor, index: Sequence[int], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The language's index of the entry that the user calls `index` (hidden axes are 0)."""
    extents = [int(f.evaluate(sizes)) for f in tensor.shape]
    result = [0] * len(extents)
    for group, position in zip(tensor.layout, index, strict=True):
        for axis in reversed(group):
            position, result[axis] = divmod(position, extents[axis])
    return tuple(result)
