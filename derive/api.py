"""Owns the two questions a user asks: `differentiate` (how does it go?) and `prove` (is it so?)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from math import ceil, log2
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from derive.certificate import MOST_CHARACTERS
from derive.derivation import Derivation
from derive.derivation import differentiate as differentiate_layer
from derive.document import statement
from derive.domain import supposed
from derive.errors import BackflipError, LayerError
from derive.graph import Graph
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.proof import Theorem
from derive.theorems import LABEL, certificate_digest, certificate_text, recheck, theorems

if TYPE_CHECKING:
    from derive.graph_derivation import GraphDerivation


@dataclass(frozen=True)
class ProofResult:
    """What a proof reached.

    Attributes:
        ok: whether every claim held; a refuted claim is named in `report`.
        label: the claim's reach ("ALL SIZES (certificate)" or "THIS SIZE, n identities, exhaustive").
        identities: entries compared at a size; theorems proved for all sizes.
        theorem: the statements, one a line.
        assumptions: what they suppose.
        report: what was done, line by line.
        certificate_digest: sha256 of the certificate file of the underlying theorems.
    """

    ok: bool
    label: str
    identities: int
    theorem: str
    assumptions: tuple[str, ...]
    report: tuple[str, ...]
    certificate_digest: str
    certificate: str = field(default="", repr=False)

    def to_json(self) -> str:
        data = {key: value for key, value in asdict(self).items() if key != "certificate"}
        return json.dumps(data, indent=1, ensure_ascii=False)

    def certificate_json(self) -> str:
        """The text of the certificate file of the theorems for all sizes."""
        return self.certificate


Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


def prove(
    layer: Layer | Graph | type[Layer],
    input_shape: Any = None,
    *,
    progress: Progress | None = None,
    **choices: Any,
) -> ProofResult:
    """Prove a layer's gradients and forward form.

    Args:
        layer: a layer class (all sizes; discrete choices such as bias=False as keywords), a layer, a Graph.
        input_shape: proves every entry of every gradient at this shape; None proves for all sizes. Of a Graph
            with several inputs a dict, input -> shape; it is needed.
        progress: called as the exhaustive proof goes on.

    Raises LayerError on a wrong shape or choice, LimitError where the work would be too large.
    """
    if isinstance(layer, Graph):
        return _prove_graph(layer, input_shape, choices)
    if isinstance(layer, type):
        return prove_all_sizes(layer, choices)
    if choices:
        raise LayerError("discrete choices go with a class", where="prove", got=", ".join(choices))
    if input_shape is None:
        return prove_all_sizes(type(layer), layer.own_choices())
    return prove_at(layer, tuple(input_shape), progress)


def _prove_graph(graph: Graph, shapes: Any, options: dict[str, Any]) -> ProofResult:
    from derive.graph_proof import prove_graph

    if unknown := options.keys() - {"training"}:
        raise LayerError("no such option", where="prove", expected="training", got=", ".join(unknown))
    if shapes is None:
        raise LayerError("a graph is proved at given shapes", where="input_shape", got="None")
    return prove_graph(graph, shapes, **options)


@overload
def differentiate(
    layer: Layer, input_shape: Sequence[int], wrt: str | Sequence[str] = "all", **options: Any
) -> dict[str, Derivation]: ...
@overload
def differentiate(
    layer: Graph, input_shape: Any, wrt: str | Sequence[str] = "all", **options: Any
) -> dict[str, GraphDerivation]: ...
def differentiate(
    layer: Layer | Graph, input_shape: Any, wrt: str | Sequence[str] = "all", **options: Any
) -> Any:
    """The derivations of the gradients of a layer, or of a Graph or Sequential, at an input shape.

    Args:
        layer: for example Conv2d(3, 8, 3, stride=2), or Sequential(Conv2d(1, 2, 3), ReLU()).
        input_shape: PyTorch's shape, with or without the batch axis; of a graph with several inputs a dict.
        wrt: "all", one differentiable operand (of a graph a tensor: "x", "0.weight"), or several.
        options: training=True for a graph in training mode.

    Returns a mapping from operand to its Derivation (of a graph, from tensor to its GraphDerivation). Raises
    LayerError where there is no such operand or the shape does not fit.
    """
    if isinstance(layer, Graph):
        from derive.graph_derivation import differentiate_graph

        return differentiate_graph(layer, input_shape, wrt, **options)
    return differentiate_layer(layer, input_shape, wrt, **options)


def prove_all_sizes(kind: type[Layer], choices: dict[str, Any]) -> ProofResult:
    """The theorems of a layer class over symbolic sizes; the choices not given are the usual ones."""
    full = kind.chosen(choices)
    proved = theorems(kind, full)
    report = [line for key, t in proved.items() for line in _theorem_lines(key, t)]
    facts = next(iter(proved.values())).claim.setting.facts
    return ProofResult(
        True,
        LABEL,
        len(proved),
        "\n".join(statement(t.claim) for t in proved.values()),
        (
            f"choices: {', '.join(f'{k}={v}' for k, v in full.items())}",
            "hypotheses: " + "; ".join(map(str, facts)),
            *usual(kind, full),
            *supposed([t.claim for t in proved.values()]),
        ),
        tuple(report),
        certificate_digest(kind, full),
        certificate_text(kind, full),
    )


def usual(kind: type[Layer], choices: Mapping[str, Any]) -> tuple[str, ...]:
    """What the layers of a class suppose: of its examples, those with the most of these choices."""
    from derive.spelling import parse_layer

    ranked: dict[int, dict[str, None]] = {}
    for text, shape in kind.examples:
        layer = parse_layer(text)
        own = layer.choices(shape)
        fit = sum(own.get(key) == choice for key, choice in choices.items())
        ranked.setdefault(fit, {}).update(dict.fromkeys(layer.assumptions()))
    return tuple(ranked[max(ranked)]) if ranked else ()


def _theorem_lines(key: str, theorem: Theorem) -> list[str]:
    argument = theorem.argument
    steps = (*argument.left_steps, *argument.right_steps)
    count = len(argument.upkeep) + sum(len(s.certificates) for s in steps)
    rules = ", ".join(dict.fromkeys(s.rule for s in steps))
    head = f"{theorem.claim.name}: {LABEL}; {len(steps)} steps ({rules}), {count} certificates verified"
    return [head]


def prove_at(layer: Layer, shape: tuple[int, ...], progress: Progress | None) -> ProofResult:
    """Every entry of every gradient and of the forward form at a shape, by the independent judges."""
    from derive.judge import judge_at_size

    layer.operands(shape)
    sizes, choices = layer.sizes(shape), layer.choices(shape)
    proved = theorems(type(layer), choices)
    report: list[str] = []
    identities, powers, exhaustive = 0, list[int](), 0
    ok = True
    for key, theorem in proved.items():
        verdict = judge_at_size(
            claim_at(theorem.claim, sizes),
            layer,
            sizes,
            key=key,
            shape=shape,
            progress=partial(progress, theorem.claim.name) if progress else None,
        )
        ok = ok and verdict.ok
        identities += verdict.identities
        exhaustive += 0 if verdict.power else verdict.identities
        powers += [verdict.power] * bool(verdict.power)
        report += [f"{theorem.claim.name}: {line}" for line in verdict.lines]
        if verdict.difference is not None:
            report.append(f"{theorem.claim.name}: REFUTED: {verdict.difference}")
    label = size_label(exhaustive, powers) if ok else "REFUTED"
    statements = [statement(claim_at(t.claim, sizes)) for t in proved.values()]
    return ProofResult(
        ok,
        label,
        identities,
        "\n".join(statements),
        (
            f"sizes: {', '.join(f'{n}={v}' for n, v in sizes.items())}",
            f"instance of theorems labelled {LABEL}, hypotheses checked at these sizes",
            *layer.assumptions(),
            *supposed([t.claim for t in proved.values()]),
        ),
        tuple(report),
        certificate_digest(type(layer), choices),
        certificate_text(type(layer), choices),
    )


def size_label(exhaustive: int, powers: Sequence[int]) -> str:
    """The label of several claims at a size: entries compared exhaustively, and the weakest of the others.

    A claim missed with probability 2^-k each: one of n is missed with at most n times that.
    """
    if not powers:
        return f"THIS SIZE, {exhaustive:,} identities, exhaustive"
    power = -ceil(log2(sum(2.0**-k for k in powers)))
    return f"CHECKED, miss probability <= 2^-{power}"


@dataclass(frozen=True)
class CheckReport:
    """What re-checking a certificate file found."""

    ok: bool
    lines: tuple[str, ...]


def check_file(path: str | Path) -> CheckReport:
    """Replay a certificate file with the checker alone; LayerError where it cannot be read as one."""
    file = Path(path)
    try:
        if file.stat().st_size > MOST_CHARACTERS:
            raise LayerError(
                "file too large for a certificate", where=str(path), got=f"{file.stat().st_size:,} bytes"
            )
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise LayerError("cannot read the file", where=str(path), got=str(fault)) from None
    try:
        title, lines = recheck(text, str(path))
    except LayerError:
        raise
    except BackflipError as refusal:
        return CheckReport(False, (f"REFUSED: {refusal}",))
    return CheckReport(True, (f"{title}: every theorem holds, for the choices below", *lines))


__all__ = ["CheckReport", "Derivation", "ProofResult", "check_file", "differentiate", "prove"]
