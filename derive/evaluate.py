"""Owns the numbers that definitions give: stage by stage over any number system, and reverse differentiation.

A defined tensor is computed from its definition at every entry; the derivative of a loss is reverse-mode
differentiation of the same definitions, each factor of each term in turn, with f' from the table of
`functions.py`. No rule, no closed form and no kernel enters. An indicator tensor is a choice by a whole
number: a term whose indicator is 0 is absent. Sums run over enumerated index values, a chunk at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.claim import Claim, Setting
from derive.errors import ProofError
from derive.evaluate_back import gradient
from derive.evaluate_places import (
    Columns,
    Ints,
    first_of,
    flat_places,
    index_values,
    indicator_axes,
    lead_places,
    tap_places,
)
from derive.exhaust_rows import sizes
from derive.expr import Apply, Definition, Expr, Factor, Partial, Read, Sum, Tensor, entry_of
from derive.functions import IDENTITY, PARAMETERS
from derive.index import Index
from derive.layers.codes import Code, Shift
from derive.numbers_system import Numbers


class Evaluator:
    """The definitions of a setting at sizes, over a number system.

    Args:
        setting: at sizes (of `derive.instance.claim_at`).
        numbers: `Field()`, `Reals()`, `Rationals()`.
        tables: values of constant tensors by name, row-major (`Layer.tables`).
        parameters: values of functions' parameters by name (`Layer.parameters`).
        codes: which input tensors are indicators, by whole numbers (`Layer.codes`).
        shifts: which input tensors are filled with a maximum (`Layer.shifts`).
    """

    def __init__(
        self,
        setting: Setting,
        numbers: Numbers,
        *,
        tables: Mapping[str, Sequence[Fraction]] | None = None,
        parameters: Mapping[str, Fraction] | None = None,
        codes: Mapping[str, Code] | None = None,
        shifts: Mapping[str, Shift] | None = None,
    ) -> None:
        self.setting, self.numbers = setting, numbers
        self.tables, self.parameters = dict(tables or {}), dict(parameters or {})
        self.codes, self.shifts = dict(codes or {}), dict(shifts or {})
        self.tensors = {t.name: t for t in setting.inputs} | {
            d.tensor.name: d.tensor for d in setting.definitions
        }
        terms = [t for d in setting.definitions for t in d.body.terms]
        self.stored = {f.of.tensor.name for t in terms for f in t.factors if isinstance(f, Apply)}
        self.stored |= {d.tensor.name for d in setting.definitions if any(t.indices for t in d.body.terms)}

    def at(self, inputs: Mapping[str, Any]) -> Values:
        """The values at given inputs, computed as they are asked for and kept.

        Args:
            inputs: by name an array with the tensor's entries in the language's row-major order (any shape);
                of an indicator either its code operand (whole numbers) or, under its own name, its entries;
                of a shift nothing, or its entries.
        """
        return Values(self, inputs)

    def values(self, name: str, inputs: Mapping[str, Any]) -> Any:
        """A tensor's entries, flat, as `numbers.plain` shows them."""
        return self.numbers.plain(self.at(inputs).tensor(name))

    def gradient(self, loss: str, wrt: str, inputs: Mapping[str, Any]) -> Any:
        """d loss / d wrt at every entry of `wrt`, flat; `loss` is a defined scalar."""
        return self.numbers.plain(self.at(inputs).gradient(loss, wrt))


class Values:
    """An evaluator at one choice of inputs: each stage once."""

    def __init__(self, evaluator: Evaluator, inputs: Mapping[str, Any]) -> None:
        self.evaluator, self.numbers, self.inputs = evaluator, evaluator.numbers, inputs
        self.known: dict[str, Any] = {}
        self.chosen: dict[str, Ints] = {}

    # ---- tensors -----------------------------------------------------------------------------------

    def tensor(self, name: str) -> Any:
        """The entries of an input or of a defined tensor, in the number system, flat."""
        if name not in self.known:
            self.known[name] = self._found(name)
        return self.known[name]

    def _found(self, name: str) -> Any:
        own = self.evaluator
        definition = own.setting.definition(name)
        if definition is not None:
            return self.define(definition, name in own.stored)
        if name not in own.tensors:
            raise ProofError("tensor without definition", where=name)
        if name in own.tables:
            return self._sized(name, self.numbers.constants(own.tables[name]), len(own.tables[name]))
        if name in self.inputs:
            return self._sized(name, self.numbers.given(self.inputs[name]), np.size(self.inputs[name]))
        if name in own.shifts:
            return self._shift(own.tensors[name], own.shifts[name])
        raise ProofError("an input has no value", where=name, expected=f"entries of {own.tensors[name]}")

    def _sized(self, name: str, array: Any, entries: int) -> Any:
        shape = sizes(self.evaluator.tensors[name])
        if entries != prod(shape):
            raise ProofError(
                "an input has the wrong number of entries", where=name, expected=str(shape), got=str(entries)
            )
        return array

    def _shift(self, tensor: Tensor, shift: Shift) -> Any:
        """The largest entry of the source along one axis (a NaN is the largest)."""
        source = self.tensor(shift.source)
        shape = sizes(self.evaluator.tensors[shift.source])
        keys, nan = (a.reshape(shape) for a in self.numbers.order(source))
        best = np.expand_dims(keys.argmax(axis=shift.axis), shift.axis)
        lost = np.expand_dims(nan.argmax(axis=shift.axis), shift.axis)
        spot = np.where(np.take_along_axis(nan, lost, shift.axis), lost, best)
        places = np.arange(prod(shape)).reshape(shape)
        flat = np.take_along_axis(places, spot, shift.axis).reshape(-1)
        return self._sized(tensor.name, self.numbers.take(source, flat), len(flat))

    def define(self, definition: Definition, stored: bool = True) -> Any:
        """Every entry of a definition, in the number system, flat."""
        return self.expr(definition.body, definition.indices, stored)

    def expr(self, expr: Expr, free: Sequence[Index], stored: bool = True) -> Any:
        """An expression without derivatives at every value of its free indices, flat, row-major."""
        own = tuple(i.form for i in free)
        shape = tuple(int(i.extent.evaluate({})) for i in free)
        total = self.numbers.zeros(prod(shape))
        for term in expr.terms:
            for columns, rows in self.rows(term, free):
                values = self.product(term, columns, rows)
                self.numbers.add(total, flat_places(own, shape, columns, rows), values)
        return self.numbers.settle(total, stored)

    def gradient(self, loss: str, wrt: str) -> Any:
        """d loss / d wrt at every entry, in the number system, flat."""
        return gradient(self, loss, wrt)

    # ---- sides of a claim --------------------------------------------------------------------------

    def right(self, claim: Claim) -> Any:
        """The stated side at every entry of the target."""
        return self.define(claim.right)

    def left(self, claim: Claim) -> Any:
        """The definition side at every entry of the target: an entry, or the derivative of a loss by it."""
        match claim.left.terms:
            case (Sum(indices=(), conditions=(), factors=(Read() as read,)),):
                return self.tensor(read.tensor.name)
            case (Sum(indices=(), conditions=(), factors=(Partial() as partial,)),):
                return self.gradient(partial.of.tensor.name, partial.wrt.tensor.name)
        raise ProofError("the left side is no entry and no derivative", where=claim.name, got=str(claim.left))

    # ---- terms -------------------------------------------------------------------------------------

    def rows(self, term: Sum, free: Sequence[Index]) -> Iterator[tuple[Columns, int]]:
        """The index values of a term at which its conditions and indicators hold, a chunk at a time."""
        for columns, rows in index_values(term, free):
            keep = np.ones(rows, bool)
            for factor in term.factors:
                if self.indicator(factor):
                    keep &= self.flags(entry_of(factor), columns, rows)
            if keep.all():
                yield columns, rows
            elif keep.any():
                yield {n: v[keep] for n, v in columns.items()}, int(keep.sum())

    def indicator(self, factor: Factor) -> bool:
        """Whether a factor is an entry of an indicator that is known by its codes."""
        return (
            isinstance(factor, Read)
            and factor.tensor.name in self.evaluator.codes
            and factor.tensor.name not in self.inputs
        )

    def product(self, term: Sum, columns: Columns, rows: int, without: int = -1) -> Any:
        """coefficient * the factors, one of them left out or not, at given index values."""
        total = None
        for position, factor in enumerate(term.factors):
            if position != without and not self.indicator(factor):
                value = self.factor(factor, columns, rows)
                total = value if total is None else self.numbers.multiply(total, value)
        if total is None:
            total = self.numbers.ones(rows)
        return self.numbers.scale(total, term.coefficient)

    def factor(self, factor: Factor, columns: Columns, rows: int) -> Any:
        match factor:
            case Apply():
                return self.function(factor.function, self.factor(factor.of, columns, rows))
            case Read():
                places = self.places(factor, columns, rows)
                return self.numbers.take(self.tensor(factor.tensor.name), places)
        raise ProofError("a derivative inside an expression to evaluate", got=str(factor))

    def function(self, name: str, x: Any) -> Any:
        if name == IDENTITY:
            return x
        missing = [p for p in PARAMETERS[name] if p not in self.evaluator.parameters]
        if missing:
            raise ProofError("a function's parameter has no value", where=name, expected=", ".join(missing))
        return self.numbers.apply(name, x, [self.evaluator.parameters[p] for p in PARAMETERS[name]])

    def places(self, read: Read, columns: Columns, rows: int) -> Ints:
        """The flat places of a read; ProofError where it leaves its tensor."""
        return flat_places(read.index, sizes(read.tensor), columns, rows, str(read))

    # ---- indicators --------------------------------------------------------------------------------

    def flags(self, read: Read | None, columns: Columns, rows: int) -> NDArray[np.bool_]:
        """Where an indicator is 1: its code names this place."""
        assert read is not None
        code = self.evaluator.codes[read.tensor.name]
        self.places(read, columns, rows)
        axes = indicator_axes(read.index, columns, rows)
        lead = lead_places(code, sizes(read.tensor), axes, rows)
        return np.asarray(self.code(read.tensor)[lead] == code.value.evaluate(axes))

    def code(self, tensor: Tensor) -> Ints:
        """The codes of an indicator, flat: the user's, or the first largest or smallest entry's."""
        if tensor.name not in self.chosen:
            code = self.evaluator.codes[tensor.name]
            if code.operand in self.inputs:
                self.chosen[tensor.name] = np.asarray(self.inputs[code.operand], np.int64).reshape(-1)
            elif code.first:
                self.chosen[tensor.name] = self._selected(tensor, code)
            else:
                raise ProofError("an indicator has no codes", where=tensor.name, expected=code.operand)
        return self.chosen[tensor.name]

    def _selected(self, tensor: Tensor, code: Code) -> Ints:
        """For each lead the code of the first largest (smallest) entry that the conditions admit.

        Places are passed in row-major order of the indicator's other axes; the last NaN wins; -1 where no
        place is admitted.
        """
        term, free, entry, mark = self._selection(tensor)
        shape = sizes(tensor)
        found: list[tuple[Any, ...]] = []
        for columns, rows in index_values(term, free):
            axes = indicator_axes(mark.index, columns, rows)
            lead, tap = (f(code, shape, axes, rows) for f in (lead_places, tap_places))
            value = np.broadcast_to(code.value.evaluate(axes), (rows,))
            found.append((lead, tap, value, *self.numbers.order(self.factor(entry, columns, rows))))
        leads = prod(shape[axis] for axis in code.lead)
        if not found:
            return np.full(leads, -1, np.int64)
        lead, tap, value, key, nan = (np.concatenate(part) for part in zip(*found, strict=True))
        return first_of(leads, lead, tap, value, key, nan, code.first == "smallest")

    def _selection(self, tensor: Tensor) -> tuple[Sum, tuple[Index, ...], Factor, Read]:
        """The first term that reads the indicator, its definition's indices, the entry chosen, the mark."""
        for definition in self.evaluator.setting.definitions:
            for term in definition.body.terms:
                marks = [f for f in term.factors if isinstance(f, Read) and f.tensor.name == tensor.name]
                others = [f for f in term.factors if f not in marks]
                if len(marks) == len(others) == 1:
                    return term, definition.indices, others[0], marks[0]
        raise ProofError("no term chooses by this indicator", where=tensor.name)
