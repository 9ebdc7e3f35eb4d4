"""Owns the unrolling of an expression to sums of products of input entries, definitions written in.

Used by the exhaustive judge only; the rules of the proofs do not use it and it does not use them. Three
equations, nothing else:

    T[e]  (T defined by T[v] := sum of terms)  =  the terms at v := e, bound indices renamed apart
    d (product of reads) / d X[u]              =  sum over *every* read of X in it of the rest of the product
    d X[e] / d X[u]                            =  [e - u = 0] on every axis

The passage is exact for every expression; whether reads stay inside their tensors is checked elsewhere
(`exhaust_rows.check_reads`), on every definition over the whole of its own tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count

from derive.claim import Setting
from derive.errors import LimitError, ProofError
from derive.expr import Apply, Expr, Factor, Partial, Read, Sum, substitute
from derive.index import Condition, Form, Index, Zero, name

MAX_TERMS = 4096
"""Symbolic terms (not monomials) that one expression may unroll to."""


def flatten(expr: Expr, setting: Setting, stop: frozenset[str] = frozenset()) -> tuple[Sum, ...]:
    """The expression as terms whose factors are reads of input tensors (or of those named in `stop`).

    Raises ProofError for a tensor that is neither input nor defined, or a name bound twice; LimitError
    where the terms multiply beyond `MAX_TERMS`.
    """
    return _Flattener(setting).terms(expr.terms, stop)


class _Flattener:
    """One unrolling; holds the counter that renames bound indices apart (`o_h` becomes `o_h#3`)."""

    def __init__(self, setting: Setting) -> None:
        self.definitions = {d.tensor.name: d for d in setting.definitions}
        self.inputs = frozenset(t.name for t in setting.inputs)
        self.fresh = count(1)

    def terms(self, terms: Iterable[Sum], stop: frozenset[str]) -> tuple[Sum, ...]:
        done: list[Sum] = []
        pending = list(terms)[::-1]
        while pending:
            term = pending.pop()
            position = next((i for i, f in enumerate(term.factors) if not self._final(f, stop)), None)
            if position is None:
                done.append(term)
            else:
                pending += [
                    self._put(term, position, new) for new in self._rewrite(term.factors[position], stop)
                ][::-1]
            if len(done) + len(pending) > MAX_TERMS:
                raise LimitError(
                    "expression too large to unroll", expected=f"at most {MAX_TERMS} terms", got="more"
                )
        return tuple(done)

    def _final(self, factor: Factor, stop: frozenset[str]) -> bool:
        return isinstance(factor, Read) and (factor.tensor.name in self.inputs or factor.tensor.name in stop)

    def _rewrite(self, factor: Factor, stop: frozenset[str]) -> tuple[Sum, ...]:
        if isinstance(factor, Apply):
            raise ProofError("a function of an entry is no product of entries", where=str(factor))
        return self._derived(factor) if isinstance(factor, Partial) else self._unfolded(factor)

    def _unfolded(self, read: Read) -> tuple[Sum, ...]:
        """T[e] as the terms of T's definition at e."""
        definition = self.definitions.get(read.tensor.name)
        if definition is None:
            raise ProofError(
                "tensor without definition", where=str(read), expected="an input or a defined tensor"
            )
        at = {i.name: form for i, form in zip(definition.indices, read.index, strict=True)}
        return tuple(self._written(term, at) for term in definition.body.terms)

    def _written(self, term: Sum, at: Mapping[str, Form]) -> Sum:
        """The term with the definition's indices replaced and its own given names that occur nowhere else."""
        number = next(self.fresh)
        names = {i.name: name(f"{i.name}#{number}") for i in term.indices}
        if len(names) < len(term.indices) or names.keys() & at.keys():
            raise ProofError("an index is bound twice", where=str(term), expected="distinct names")
        renamed = tuple(Index(f"{i.name}#{number}", i.extent) for i in term.indices)
        return replace(substitute(term, {**at, **names}), indices=renamed)

    def _derived(self, factor: Partial) -> tuple[Sum, ...]:
        """d of/d X[u], summed over every occurrence of X."""
        wrt = factor.wrt
        found: list[Sum] = []
        for term in self.terms((Sum((), (), (factor.of,)),), frozenset({wrt.tensor.name})):
            for position, read in enumerate(term.factors):
                if isinstance(read, Read) and read.tensor.name == wrt.tensor.name:
                    rest = term.factors[:position] + term.factors[position + 1 :]
                    found.append(
                        replace(term, conditions=term.conditions + same(read.index, wrt.index), factors=rest)
                    )
        return tuple(found)

    def _put(self, term: Sum, position: int, new: Sum) -> Sum:
        """One factor replaced by one term of what it equals."""
        return Sum(
            term.indices + new.indices,
            term.conditions + new.conditions,
            term.factors[:position] + new.factors + term.factors[position + 1 :],
            term.coefficient * new.coefficient,
        )


def same(left: tuple[Form, ...], right: tuple[Form, ...]) -> tuple[Condition, ...]:
    """[left = right] on every axis; an axis where both are written alike needs no condition."""
    return tuple(Zero(a - b) for a, b in zip(left, right, strict=True) if a != b)
