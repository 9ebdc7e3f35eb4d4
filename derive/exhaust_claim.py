"""Owns what no comparison of entries could see of a claim at sizes: names, shapes, reads, the statement."""

from __future__ import annotations

from collections.abc import Mapping

from derive.claim import Claim
from derive.errors import ProofError
from derive.exhaust_rows import check_reads, reads_of, sizes
from derive.expr import Apply, Partial, Sum, Tensor
from derive.index import Form
from derive.steps import is_name


def check_claim(claim: Claim) -> None:
    """Refuse what no comparison of entries could see; raises ProofError naming the place."""
    known = {t.name: t for t in claim.setting.inputs}
    if failed := [f for f in claim.setting.facts if not f.holds({})]:
        raise ProofError("a hypothesis does not hold at these sizes", where=claim.name, got=str(failed[0]))
    _check_names(claim)
    for definition in (*claim.setting.definitions, claim.right):
        where = f"definition of {definition.tensor.name}"
        if definition.tensor.name in known:
            raise ProofError("a tensor is defined twice", where=where)
        if tuple(i.extent for i in definition.indices) != definition.tensor.shape:
            raise ProofError("indices do not cover the tensor", where=where, got=str(definition))
        for term in definition.body.terms:
            _check_known(where, term, known)
            check_reads(where, definition.indices, term)
        if definition is not claim.right:
            known[definition.tensor.name] = definition.tensor
    _check_statement(claim, known)


def _check_names(claim: Claim) -> None:
    """Names are letters, digits, _ and ': what else a code could take for something of its own."""
    definitions = (*claim.setting.definitions, claim.right)
    tensors = [t.name for t in (*claim.setting.inputs, *(d.tensor for d in definitions))]
    bound = [i.name for d in definitions for t in d.body.terms for i in t.indices]
    bound += [i.name for d in definitions for i in d.indices]
    if odd := [n for n in (*tensors, *bound) if not is_name(n)]:
        raise ProofError("not a name", where=claim.name, got=repr(odd[0]))


def _check_known(where: str, term: Sum, known: Mapping[str, Tensor]) -> None:
    for factor in term.factors:
        for read in reads_of(factor):
            if known.get(read.tensor.name) != read.tensor:
                raise ProofError(
                    "read of a tensor that is not defined before",
                    where=where,
                    expected=", ".join(known),
                    got=str(read),
                )


def _check_statement(claim: Claim, known: Mapping[str, Tensor]) -> None:
    """The left side speaks of the target's own entry, and the right side has the target's shape."""
    if sizes(claim.right.tensor) != sizes(claim.target):
        raise ProofError(
            "the right side has another shape",
            where=claim.name,
            expected=f"{sizes(claim.target)}, the shape of {claim.target.name}",
            got=str(sizes(claim.right.tensor)),
        )
    own = tuple(Form() if i.extent == Form.of(1) else i.form for i in claim.indices)
    for term in claim.left.terms:
        _check_known("the left side", term, known)
        check_reads("the left side", claim.indices, term)
    plain = [t for t in claim.left.terms if t == Sum((), (), t.factors) and len(t.factors) == 1]
    factors = [f for t in plain for f in t.factors]
    spoken = [f.wrt if isinstance(f, Partial) else f for f in factors if not isinstance(f, Apply)]
    if len(claim.left.terms) != 1 or not any(r.tensor == claim.target and r.index == own for r in spoken):
        raise ProofError(
            "the left side is not about the target", where=claim.name, expected=str(claim.target)
        )
