"""Owns the proofs of layers at sizes, one or a whole network's: claims gathered, compared together, reported.

    prove_many([(Conv2d(3, 64, 7, stride=2, padding=3, bias=False), (1, 3, 224, 224)), ...], jobs=2)

The exhaustive comparisons of all layers are one list of jobs, so that the workers of an executor are busy
however the layers' sizes differ. The other judges of a layer (see `judge`) work in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from math import ceil, log2
from typing import Any

from derive.api import ProofResult
from derive.claim import Claim
from derive.document import statement
from derive.domain import supposed
from derive.errors import LayerError, LimitError
from derive.exhaust import MAX_TERMS, Comparison
from derive.exhaust_spread import compare_many
from derive.instance import claim_at
from derive.judge import FACTORISED, LEMMA, SizeVerdict, applies, judge_at_size, judge_by_axes
from derive.layers.base import Layer
from derive.proof import Theorem
from derive.theorems import LABEL, certificate_digest, certificate_text, theorems

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


MOST = 2**40
"""What no size may reach: places are computed in 64 bits."""


def prove_many(
    items: Sequence[tuple[Layer, Sequence[int]]],
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    factorised: bool = False,
    second_opinions: bool = False,
    max_terms: int = MAX_TERMS,
) -> list[ProofResult]:
    """Every entry of every gradient and of the forward form of each layer at its shape; results in order.

    Args:
        items: (layer, input shape) pairs.
        executor: any concurrent.futures.Executor, which does the comparing and is not shut down. None:
            processes of our own where the work is worth it.
        jobs: how many processes of our own; 1: this one alone.
        progress: called as the exhaustive comparison goes on.
        factorised: decide each claim axis by axis (`exhaust_factorised`), in milliseconds and under a label
            that says so. LimitError, with the reason, where a claim does not fall into axes.
        second_opinions: also ask SymPy and, for convolutions, the array program, in this process.
        max_terms: monomials that one claim may have, both sides together.

    Raises LayerError on a wrong shape or option, LimitError where the work would be too large.
    """
    if factorised and (executor is not None or jobs is not None):
        raise LayerError("a factorised proof needs no workers", where="factorised", got="executor or jobs")
    cases = [_case(*pair) for pair in _pairs(items)]
    if factorised:
        judged = [[judge_by_axes(claim) for claim in case.claims.values()] for case in cases]
    else:
        asked = partial(progress, _stage(cases)) if progress is not None else None
        compare = partial(compare_many, executor=executor, jobs=jobs, progress=asked, max_terms=max_terms)
        judged = _judge(cases, compare, second_opinions)
    return [_result(case, verdicts, factorised) for case, verdicts in zip(cases, judged, strict=True)]


@dataclass(frozen=True)
class _Case:
    """A layer at a shape, and its claims there by operand."""

    layer: Layer
    shape: tuple[int, ...]
    choices: Mapping[str, Any]
    sizes: Mapping[str, int]
    theorems: Mapping[str, Theorem]
    claims: Mapping[str, Claim]


def _pairs(items: Any) -> list[tuple[Layer, tuple[int, ...]]]:
    """The items as pairs of a layer and a shape; LayerError on the first that is none."""
    found = []
    for number, item in enumerate(items):
        pair = tuple(item) if isinstance(item, (tuple, list)) else (item,)
        if len(pair) != 2 or not isinstance(pair[0], Layer) or not isinstance(pair[1], (tuple, list)):
            raise LayerError(
                "not a layer with its input shape",
                where=f"prove_many, item {number}",
                expected="(Conv2d(1, 1, 2), (1, 1, 3, 3))",
                got=repr(item)[:100],
            )
        found.append((pair[0], tuple(pair[1])))
    return found


def _case(layer: Layer, shape: tuple[int, ...]) -> _Case:
    layer.operands(shape)
    sizes, choices = layer.sizes(shape), layer.choices(shape)
    if (largest := max(sizes, key=lambda name: abs(sizes[name]), default="")) and abs(sizes[largest]) >= MOST:
        raise LimitError(
            "size too large to compare entries",
            where=f"{largest} of {layer!r}"[:100],
            expected=f"below {MOST:,}",
            got=f"{sizes[largest]:,}",
            mend="prove it for all sizes: --all-sizes",
        )
    proved = theorems(type(layer), choices)
    return _Case(
        layer, shape, choices, sizes, proved, {key: claim_at(t.claim, sizes) for key, t in proved.items()}
    )


def _stage(cases: Sequence[_Case]) -> str:
    return repr(cases[0].layer) if len(cases) == 1 else f"{len(cases)} layers"


def _judge(
    cases: Sequence[_Case], compare: Callable[[Sequence[Claim]], list[Comparison]], second_opinions: bool
) -> list[list[SizeVerdict]]:
    """The polynomials compared together, then the verdict on each claim of each case."""
    polynomials = [c for case in cases for c in case.claims.values() if not applies(c)]
    compared = iter(compare(polynomials))
    return [
        [
            judge_at_size(
                claim,
                case.layer,
                key=key,
                shape=case.shape,
                found=None if applies(claim) else next(compared),
                second_opinions=second_opinions,
            )
            for key, claim in case.claims.items()
        ]
        for case in cases
    ]


def _result(case: _Case, verdicts: Sequence[SizeVerdict], factorised: bool) -> ProofResult:
    report: list[str] = []
    for claim, verdict in zip(case.claims.values(), verdicts, strict=True):
        report += [f"{claim.name}: {line}" for line in verdict.lines]
        if verdict.difference is not None:
            report.append(f"{claim.name}: REFUTED: {verdict.difference}")
    report += [LEMMA] * factorised
    ok = all(verdict.ok for verdict in verdicts)
    exhaustive = sum(v.identities for v in verdicts if not v.power)
    label = FACTORISED if factorised else size_label(exhaustive, [v.power for v in verdicts if v.power])
    digest, text = _certificate(type(case.layer), case.choices)
    return ProofResult(
        ok,
        label if ok else "REFUTED",
        sum(v.identities for v in verdicts),
        "\n".join(map(statement, case.claims.values())),
        (
            f"sizes: {', '.join(f'{n}={v}' for n, v in case.sizes.items())}",
            f"instance of theorems labelled {LABEL}, hypotheses checked at these sizes",
            *case.layer.assumptions(),
            *supposed([t.claim for t in case.theorems.values()]),
        ),
        tuple(report),
        digest,
        text,
    )


_CERTIFICATES: dict[tuple[type[Layer], tuple[tuple[str, Any], ...]], tuple[str, str]] = {}


def _certificate(kind: type[Layer], choices: Mapping[str, Any]) -> tuple[str, str]:
    """Digest and text of the certificate file of a class's theorems; kept, as the theorems are."""
    key = (kind, tuple(sorted(choices.items())))
    if key not in _CERTIFICATES:
        _CERTIFICATES[key] = certificate_digest(kind, choices), certificate_text(kind, choices)
    return _CERTIFICATES[key]


def size_label(exhaustive: int, powers: Sequence[int]) -> str:
    """The label of several claims at a size: entries compared exhaustively, and the weakest of the others.

    A claim missed with probability 2^-k each: one of n is missed with at most n times that.
    """
    if not powers:
        return f"THIS SIZE, {exhaustive:,} identities, exhaustive"
    power = -ceil(log2(sum(2.0**-k for k in powers)))
    return f"CHECKED, miss probability <= 2^-{power}"
