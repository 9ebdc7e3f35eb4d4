"""Owns what an expression means at given sizes, entry by entry, as SymPy polynomials: trusted and small.

Plain enumeration: a sum runs through its index values and tests its conditions, a defined tensor's entry
is its definition there, a derivative is SymPy's own `diff`. Nothing is simplified and no rule is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import sympy

from derive.assignments import Values, assignments
from derive.claim import Claim, Setting
from derive.errors import LimitError, ProofError
from derive.expr import Apply, Definition, Expr, Factor, Partial, Read, Sum, Tensor
from derive.functions_formulas import formula
from derive.instance import claim_at
from derive.picture import equation, to_sympy

if TYPE_CHECKING:
    from derive.layers.base import Layer

__all__ = ["Meaning", "ScalarMeaning", "SymbolicLayer", "entry", "equation", "symbolic_layer", "to_sympy"]

MAX_MONOMIALS = 200_000
"""Monomials of a loss that SymPy is asked to hold (about 20 s and 1 GB)."""
Tables = Mapping[str, Sequence[Fraction]]
Parameters = Mapping[str, Fraction]


class Meaning:
    """The meaning of expressions in one setting at given sizes; entries of definitions are remembered.

    Tensors named in `keep` stand for themselves although they are defined; those in `tables` are numbers,
    given row-major; `parameters` are those of the functions, which else stay symbols.
    """

    def __init__(
        self,
        setting: Setting,
        keep: frozenset[str] = frozenset(),
        tables: Tables | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        self.setting, self.keep, self.tables = setting, keep, tables or {}
        self.parameters = parameters or {}
        self.inputs = {t.name for t in setting.inputs} | keep
        self.known: dict[tuple[str, tuple[int, ...]], sympy.Expr] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def expr(self, expr: Expr, values: Values) -> sympy.Expr:
        """The expression where the free names have the given values."""
        return sympy.Add(*(product_ for term in expr.terms for product_ in self.products(term, values)))

    def products(self, term: Sum, values: Values) -> Iterator[sympy.Expr]:
        """One SymPy product for each index value of the sum at which the conditions hold."""
        scale = sympy.Rational(term.coefficient.numerator, term.coefficient.denominator)
        for at in assignments(term.indices, term.conditions, values):
            yield sympy.Mul(scale, *(self.factor(f, at) for f in term.factors))

    def factor(self, factor: Factor, values: Values) -> sympy.Expr:
        match factor:
            case Partial():
                return self.derivative(factor, values)
            case Apply():
                return self.applied(factor.function, self.factor(factor.of, values))
            case Read():
                return self.entry(factor.tensor, self.index(factor, values))

    def applied(self, function: str, argument: sympy.Expr) -> sympy.Expr:
        """The function's formula; PyTorch's choice at kinks, where SymPy's own would be another."""
        return formula(function, argument, self.parameters).doit(deep=False)

    def index(self, read: Read, values: Values) -> tuple[int, ...]:
        """The read's index as numbers; ProofError where it is outside the tensor."""
        at = tuple(int(f.evaluate(values)) for f in read.index)
        shape = self.shape(read.tensor)
        if len(at) != len(shape) or not all(0 <= i < n for i, n in zip(at, shape, strict=True)):
            where = ", ".join(f"{n} = {v}" for n, v in sorted(values.items()))
            raise ProofError(
                "read outside its tensor",
                where=f"{read} at {where}",
                expected=f"an index inside {shape}",
                got=str(at),
            )
        return at

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        if tensor.name not in self.shapes:
            self.shapes[tensor.name] = tuple(int(f.evaluate({})) for f in tensor.shape)
        return self.shapes[tensor.name]

    def entry(self, tensor: Tensor, at: tuple[int, ...]) -> sympy.Expr:
        """One entry: a symbol of an input, or the definition there."""
        key = (tensor.name, at)
        if key not in self.known:
            if tensor.name in self.tables:
                self.known[key] = self.constant(tensor, at)
            elif tensor.name in self.inputs:
                self.known[key] = self.symbol(tensor, at)
            else:
                definition = self.definition(tensor)
                values = {i.name: v for i, v in zip(definition.indices, at, strict=True)}
                self.known[key] = self.expr(definition.body, values)
        return self.known[key]

    def constant(self, tensor: Tensor, at: tuple[int, ...]) -> sympy.Expr:
        """The value of a table's entry."""
        flat = 0
        for position, extent in zip(at, self.shape(tensor), strict=True):
            flat = flat * extent + position
        value = self.tables[tensor.name][flat]
        return sympy.Rational(value.numerator, value.denominator)

    def definition(self, tensor: Tensor) -> Definition:
        found = self.setting.definition(tensor.name)
        if found is None:
            raise ProofError("tensor without definition", where=str(tensor))
        return found

    def symbol(self, tensor: Tensor, at: Sequence[int]) -> sympy.Expr:
        """IndexedBase(name)[index as the user counts]; a scalar is a Symbol."""
        user = self.user_index(tensor, at)
        return sympy.IndexedBase(tensor.name)[user] if user else sympy.Symbol(tensor.name)

    def user_index(self, tensor: Tensor, at: Sequence[int]) -> tuple[int, ...]:
        """An internal index as the user counts: each layout group merged, row-major."""
        shape, user = self.shape(tensor), []
        for group in tensor.layout or tuple((axis,) for axis in range(len(shape))):
            flat = 0
            for axis in group:
                flat = flat * shape[axis] + at[axis]
            user.append(flat)
        return tuple(user)

    def derivative(self, factor: Partial, values: Values) -> sympy.Expr:
        """SymPy's diff of the meaning of `of` with respect to the entry `wrt`."""
        wrt = factor.wrt
        symbol = self.symbol(wrt.tensor, self.index(wrt, values))
        found = self.graph(wrt.tensor.name).factor(factor.of, values).diff(symbol)
        if wrt.tensor.name in {t.name for t in self.setting.inputs}:
            return found
        names = self.graph(wrt.tensor.name).known
        kept = {s: self.entry(wrt.tensor, at) for (name, at), s in names.items() if name == wrt.tensor.name}
        return found.xreplace(kept)

    def graph(self, kept: str) -> Meaning:
        """The meaning in which the tensor differentiated by stands for itself."""
        return (
            self
            if kept in self.inputs
            else self._kept.setdefault(
                kept, type(self)(self.setting, self.keep | {kept}, self.tables, self.parameters)
            )
        )

    @cached_property
    def _kept(self) -> dict[str, Meaning]:
        return {}


class ScalarMeaning(Meaning):
    """The same with a plain Symbol for each input entry, which SymPy differentiates 20 times faster."""

    def symbol(self, tensor: Tensor, at: Sequence[int]) -> sympy.Expr:
        return sympy.Symbol(f"{tensor.name}[{', '.join(map(str, self.user_index(tensor, at)))}]")


def entry(setting: Setting, expr: Expr, values: Values, tables: Tables | None = None) -> sympy.Expr:
    """The meaning of an expression of a claim at given sizes, where its free indices have these values.

    Returns a SymPy expression over IndexedBase("input")[...], ... with the user's full-rank 0-based index.
    Raises ProofError where a tensor would be read outside its shape.
    """
    return Meaning(setting, tables=tables).expr(expr, values)


@dataclass(frozen=True)
class SymbolicLayer:
    """A layer's forward entries and loss as SymPy.

    Attributes:
        output: ImmutableDenseNDimArray of the user's output shape; each entry an expanded polynomial, or
            the formulas of the functions that the layer applies.
        loss: the sum of grad_output * output, expanded where the entries are.
        operands: name -> IndexedBase, "grad_output" and the indicators of codes included.
        shapes: name -> the user's shape.
    """

    output: Any
    loss: sympy.Expr
    operands: Mapping[str, sympy.IndexedBase]
    shapes: Mapping[str, tuple[int, ...]]

    @cached_property
    def _incidence(self) -> dict[sympy.Expr, list[sympy.Expr]]:
        """The monomials of the loss in which a symbol occurs; the others have derivative 0."""
        found: dict[sympy.Expr, list[sympy.Expr]] = {}
        for monomial in sympy.Add.make_args(self.loss):
            for symbol in monomial.atoms(sympy.Indexed, sympy.Symbol):
                found.setdefault(symbol, []).append(monomial)
        return found

    def partial(self, name: str, index: Sequence[int]) -> sympy.Expr:
        """d loss / d name[index], by SymPy's diff."""
        symbol = named(self.operands[name], index)
        return sympy.Add(*(m.diff(symbol) for m in self._incidence.get(symbol, [])))

    def gradient(self, name: str) -> Any:
        """d loss / d name as an ImmutableDenseNDimArray of the operand's shape."""
        shape = self.shapes[name]
        entries = [self.partial(name, index) for index in product(*map(range, shape))]
        return sympy.ImmutableDenseNDimArray(entries, shape)


def symbolic_layer(layer: Layer, input_shape: tuple[int, ...]) -> SymbolicLayer:
    """Forward entries and loss of a layer at a shape, each polynomial entry expanded.

    A tensor that may hold anything (a shift of exponentials) is taken as 0.
    Raises LayerError on a wrong shape, LimitError where the loss has more than MAX_MONOMIALS monomials.
    """
    operands = {o.name: o.shape for o in layer.operands(input_shape)}
    claim = claim_at(layer.claims(**layer.choices(input_shape))["output"], layer.sizes(input_shape))
    definition = claim.setting.definition(claim.target.name)
    if definition is None:
        raise ProofError("tensor without definition", where=str(claim.target))
    check_size(layer, definition)
    means = Meaning(
        claim.setting, tables=_constants(layer, claim, input_shape), parameters=layer.parameters()
    )
    expand = _same if _applies(claim.setting) else sympy.expand
    shape = operands["output"]
    cells = product(*(range(n) for n in means.shape(claim.target)))
    entries = [expand(means.entry(claim.target, at)) for at in cells]
    bases = {name: sympy.IndexedBase(name) for name in (*operands, *layer.codes(input_shape))}
    monomials = [
        named(bases["grad_output"], at) * monomial
        for at, cell in zip(product(*map(range, shape)), entries, strict=True)
        for monomial in sympy.Add.make_args(cell)
    ]
    return SymbolicLayer(
        sympy.ImmutableDenseNDimArray(entries, shape), sympy.Add(*monomials), bases, operands
    )


def named(base: sympy.IndexedBase, index: Sequence[int]) -> sympy.Expr:
    """An entry of an operand; a scalar is a Symbol of its name."""
    return base[tuple(index)] if tuple(index) else sympy.Symbol(str(base.label))


def _same(expr: sympy.Expr) -> sympy.Expr:
    return expr


def _applies(setting: Setting) -> bool:
    return any(isinstance(f, Apply) for d in setting.definitions for t in d.body.terms for f in t.factors)


def _constants(layer: Layer, claim: Claim, shape: tuple[int, ...]) -> Tables:
    """The layer's tables, and zeros for the tensors that may hold anything."""
    free = {t.name: prod(int(f.evaluate({})) for f in t.shape) for t in claim.setting.inputs}
    zeros = {name: (Fraction(),) * free[name] for name in layer.shifts(shape)}
    return {**layer.tables(shape), **zeros}


def check_size(layer: Layer, definition: Definition) -> None:
    """Refuse a definition that would expand to more than MAX_MONOMIALS monomials."""
    cells = prod(int(i.extent.evaluate({})) for i in definition.indices)
    each = sum(prod(int(i.extent.evaluate({})) for i in t.indices) for t in definition.body.terms)
    if cells * each > MAX_MONOMIALS:
        raise LimitError(
            "loss too large to expand",
            where=f"to_sympy of {layer!r}",
            expected=f"at most {MAX_MONOMIALS:,} monomials",
            got=f"up to {cells * each:,}",
            mend="use a smaller shape; for single entries: differentiate(...)[...].element(index)",
        )
