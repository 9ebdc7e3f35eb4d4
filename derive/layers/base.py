"""Owns what every layer offers: its text, operands, claims over symbolic sizes, and sizes at a shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.expr import Tensor, entry_of
from derive.index import Form
from derive.layers.codes import Code, Shift
from derive.layers.shapes import check_entries


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
    unprinted: ClassVar[tuple[str, ...]] = ()
    """Arguments that PyTorch does not print; documents say which values are assumed."""

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """The layer's claims over symbolic sizes, for the given discrete choices (others as usual)."""
        raise NotImplementedError(f"{cls.__name__}: add claims() in derive/layers/")

    @classmethod
    def variants(cls) -> Iterator[dict[str, Any]]:
        """Every combination of discrete choices that the class has."""
        for values in product(*cls.discrete.values()):
            choices = dict(zip(cls.discrete, values, strict=True))
            try:
                cls.claims(**choices)
            except LayerError:
                continue
            yield choices

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

    def own_choices(self) -> dict[str, Any]:
        """The discrete choices that this instance makes at any shape; the usual value for the rest."""
        return {key: getattr(self, key, values[0]) for key, values in self.discrete.items()}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        """A value for every size named in `claims`; raises LayerError where the shape does not fit."""
        raise NotImplementedError

    def left_open(self) -> list[str]:
        """The arguments of `unprinted` that the layer's own text does not give, as "name=value"."""
        shown = repr(self)
        values = {name: getattr(self, name, None) for name in self.unprinted if f"{name}=" not in shown}
        return [f"{name}={value}" for name, value in values.items() if value is not None]

    def tables(self, input_shape: Sequence[int]) -> dict[str, tuple[Fraction, ...]]:
        """The constants of the layer at a shape: tensor name -> its values, row-major.

        A table is an input tensor of the claims, which hold whatever its values are; it is no operand.
        """
        return {}

    def parameters(self) -> dict[str, Fraction]:
        """The parameters of the functions that the layer applies (`derive.functions.PARAMETERS`)."""
        return {}

    def shifts(self, input_shape: Sequence[int]) -> dict[str, Shift]:
        """Tensors that may hold anything, at a shape: the claims say that results do not depend on them."""
        return {}

    def codes(self, input_shape: Sequence[int]) -> dict[str, Code]:
        """The indicators of the claims at a shape, and where their codes come from."""
        return {}

    def bounds(self) -> dict[str, tuple[int, int]]:
        """Operands whose entries have to lie between two numbers, ends included; kernels refuse others."""
        return {}

    def assumptions(self) -> tuple[str, ...]:
        """The domain on which the claims hold and the conventions outside of it, in words."""
        return ()

    def in_mode(self, training: bool) -> Layer:
        """The layer in training mode where that is asked for and makes a difference."""
        if training and "training" in {f.name for f in fields(self)}:
            return replace(self, **{"training": True})
        return self

    def told(self, input_shape: Sequence[int], **shapes: Sequence[int]) -> Layer:
        """The layer that the shapes of input and operands leave no choice but to be."""
        return self

    def operands(
        self, input_shape: Sequence[int], training: bool = False, **shapes: Sequence[int]
    ) -> tuple[Operand, ...]:
        """The operands table at a shape; signatures, workspaces, documents and kernels follow it.

        Args:
            training: makes no difference for layers without a training mode.
            shapes: of operands that the layer and the input's shape leave open, by name; others must agree.
        """
        told = self.in_mode(training).told(input_shape, **shapes)
        if told != self:
            return told.operands(input_shape, False, **shapes)
        sizes, choices = self.sizes(input_shape), self.choices(input_shape)
        claims = claims_of(type(self), choices)
        found = self._given(input_shape, claims, sizes)
        shape = user_shape(claims["output"].target, sizes)
        found += [Operand(title, shape) for title in ("output", "grad_output")]
        found += [
            Operand(key, user_shape(c.target, sizes)) for key, c in claims.items() if key.startswith("new_")
        ]
        for operand in found:
            check_entries(operand.name, operand.shape)
            if tuple(shapes.get(operand.name, operand.shape)) != operand.shape:
                raise LayerError(
                    "wrong shape",
                    where=operand.name,
                    expected=str(operand.shape),
                    got=str(tuple(shapes[operand.name])),
                )
        if unknown := shapes.keys() - {o.name for o in found}:
            listed = ", ".join(o.name for o in found)
            raise LayerError("no such operand", where=repr(self), expected=listed, got=", ".join(unknown))
        return tuple(found)

    def _given(
        self, input_shape: Sequence[int], claims: Mapping[str, Claim], sizes: Mapping[str, int]
    ) -> list[Operand]:
        """The operands that a user gives: input tensors without tables and shifts, codes for indicators."""
        filled = {*self.tables(input_shape), *self.shifts(input_shape), "grad_output"}
        codes = self.codes(input_shape)
        read = frozenset().union(*(inputs_read(c) for key, c in claims.items() if is_gradient(key)))
        again = any(code.first and title in read for title, code in codes.items())
        found = []
        for tensor in claims["output"].setting.inputs:
            code = codes.get(tensor.name)
            saved = tensor.name in read or (tensor.name == "input" and again)
            if code is not None:
                if not code.first:
                    shape = user_shape(tensor, sizes, code.lead)
                    found.append(Operand(code.operand, shape, "int64", saved=saved))
            elif tensor.name not in filled:
                differentiable = tensor.name in claims
                found.append(
                    Operand(tensor.name, user_shape(tensor, sizes), "floating", differentiable, saved)
                )
        return found

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


_CLAIMS: dict[tuple[type[Layer], tuple[tuple[str, Any], ...]], Mapping[str, Claim]] = {}


def claims_of(kind: type[Layer], choices: Mapping[str, Any]) -> Mapping[str, Claim]:
    """The claims of a class for its choices, made once."""
    key = (kind, tuple(sorted(choices.items())))
    if key not in _CLAIMS:
        _CLAIMS[key] = kind.claims(**choices)
    return _CLAIMS[key]


def is_gradient(key: str) -> bool:
    """Whether a claim is about a derivative of the loss; the others are about results of the forward pass."""
    return key != "output" and not key.startswith("new_")


def inputs_read(claim: Claim) -> frozenset[str]:
    """The inputs that a claim's right side reads, directly or through definitions."""
    found: set[str] = set()
    pending = [claim.right]
    while pending:
        terms = pending.pop().body.terms
        entries = (entry_of(f) for t in terms for f in t.factors)
        fresh = {e.tensor.name for e in entries if e is not None} - found
        found |= fresh
        pending += [d for n in fresh if (d := claim.setting.definition(n)) is not None]
    return frozenset(found)


def user_shape(
    tensor: Tensor, sizes: Mapping[str, int], axes: Sequence[int] | None = None
) -> tuple[int, ...]:
    """The shape a user sees: each layout group's extents multiplied; of `axes` alone where given."""
    extents = [int(f.evaluate(sizes)) for f in tensor.shape]
    groups = [g for g in tensor.layout if axes is None or set(g) <= set(axes)]
    return tuple(prod(extents[axis] for axis in group) for group in groups)


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
