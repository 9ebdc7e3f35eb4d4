"""Owns the two questions a user asks: `differentiate` (how does it go?) and `prove` (is it so?)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, overload

from derive.derivation import Derivation
from derive.derivation import differentiate as differentiate_layer
from derive.document import statement
from derive.domain import supposed
from derive.errors import LayerError
from derive.graph import Graph
from derive.layers.base import Layer
from derive.proof import Theorem
from derive.recheck import CheckReport, check_file
from derive.symbolic import SymbolicDerivation, derivations, operands, usual
from derive.theorems import LABEL, certificate_digest, certificate_text, theorems

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
        choices: the discrete choices of a theorem for all sizes.
    """

    ok: bool
    label: str
    identities: int
    theorem: str
    assumptions: tuple[str, ...]
    report: tuple[str, ...]
    certificate_digest: str
    certificate: str = field(default="", repr=False)
    choices: Mapping[str, Any] = field(default_factory=dict)

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
    factorised: bool = False,
    executor: Executor | None = None,
    jobs: int | None = None,
    **choices: Any,
) -> ProofResult:
    """Prove a layer's gradients and forward form.

    Args:
        layer: a layer class (all sizes; discrete choices such as bias=False as keywords), a layer, a Graph.
        input_shape: proves every entry of every gradient at this shape; None proves for all sizes. Of a Graph
            with several inputs a dict, input -> shape; it is needed.
        progress: called as the exhaustive proof goes on.
        factorised: at a shape, decide axis by axis: milliseconds, label "... modulo factorisation".
        executor: at a shape, any concurrent.futures.Executor to spread the comparisons over.
        jobs: at a shape, processes of our own; None: as many as cores where the work takes seconds.

    Raises LayerError on a wrong shape or choice, LimitError where the work would be too large or a factorised
    proof meets a claim that does not fall into axes.
    """
    at_size = isinstance(layer, Layer) and input_shape is not None
    if not at_size and (factorised or executor is not None or jobs is not None):
        raise LayerError(
            "factorised, executor and jobs go with a layer at a shape",
            where="prove",
            got="no input_shape" if input_shape is None else type(layer).__name__,
        )
    if isinstance(layer, Graph):
        return _prove_graph(layer, input_shape, choices)
    if isinstance(layer, type):
        return prove_all_sizes(layer, choices)
    if choices:
        raise LayerError("discrete choices go with a class", where="prove", got=", ".join(choices))
    if input_shape is None:
        return prove_all_sizes(type(layer), layer.own_choices())
    return prove_at(layer, tuple(input_shape), progress, factorised=factorised, executor=executor, jobs=jobs)


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
@overload
def differentiate(
    layer: type[Layer] | Layer, input_shape: None = None, wrt: str | Sequence[str] = "all", **options: Any
) -> dict[str, SymbolicDerivation]: ...
def differentiate(
    layer: Layer | Graph | type[Layer],
    input_shape: Any = None,
    wrt: str | Sequence[str] = "all",
    **options: Any,
) -> Any:
    """The derivations of the gradients of a layer, or of a Graph or Sequential, at an input shape or for all.

    Args:
        layer: for example Conv2d(3, 8, 3, stride=2), or Sequential(Conv2d(1, 2, 3), ReLU()); or a class such
            as Conv2d, for all sizes.
        input_shape: PyTorch's shape, with or without the batch axis; of a graph with several inputs a dict.
            None derives for all sizes: of a class with the discrete choices given as options, of a layer
            with its own.
        wrt: "all", one differentiable operand (of a graph a tensor: "x", "0.weight"; for all sizes also
            "output"), or several.
        options: training=True for a graph in training mode; of a class choices such as bias=False.

    Returns a mapping from operand to its Derivation (of a graph, from tensor to its GraphDerivation; for all
    sizes to its SymbolicDerivation). Raises LayerError where there is no such operand or choice, or the shape
    does not fit.
    """
    if isinstance(layer, Graph):
        return _differentiate_graph(layer, input_shape, wrt, options)
    if isinstance(layer, type):
        return _differentiate_class(layer, input_shape, wrt, options)
    if options:
        raise LayerError("discrete choices go with a class", where="differentiate", got=", ".join(options))
    if input_shape is None:
        return _differentiate_class(type(layer), None, wrt, layer.own_choices())
    return differentiate_layer(layer, input_shape, wrt)


def _differentiate_graph(
    graph: Graph, shapes: Any, wrt: str | Sequence[str], options: dict[str, Any]
) -> dict[str, GraphDerivation]:
    from derive.graph_derivation import differentiate_graph

    if shapes is None:
        raise LayerError("a graph is derived at given shapes", where="input_shape", got="None")
    return differentiate_graph(graph, shapes, wrt, **options)


def _differentiate_class(
    kind: type[Layer], shape: Any, wrt: str | Sequence[str], choices: dict[str, Any]
) -> dict[str, SymbolicDerivation]:
    """The derivations for all sizes; "all" is by every operand."""
    if shape is not None:
        raise LayerError(
            "a class is derived for all sizes",
            where="input_shape",
            expected=f"None, or a layer such as {kind.examples[0][0]}",
            got=repr(shape),
        )
    return derivations(kind, choices, operands(kind, choices) if wrt == "all" else wrt)


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
        full,
    )


def _theorem_lines(key: str, theorem: Theorem) -> list[str]:
    argument = theorem.argument
    steps = (*argument.left_steps, *argument.right_steps)
    count = len(argument.upkeep) + sum(len(s.certificates) for s in steps)
    rules = ", ".join(dict.fromkeys(s.rule for s in steps))
    head = f"{theorem.claim.name}: {LABEL}; {len(steps)} steps ({rules}), {count} certificates verified"
    return [head]


def prove_at(
    layer: Layer, shape: tuple[int, ...], progress: Progress | None = None, **options: Any
) -> ProofResult:
    """Every entry of every gradient and of the forward form at a shape, by the independent judges.

    Args:
        options: executor, jobs and factorised as `networks.prove_many` takes them.
    """
    from derive.networks import prove_many

    (found,) = prove_many(
        [(layer, shape)], progress=progress, second_opinions=not options.get("factorised"), **options
    )
    return found


__all__ = ["CheckReport", "Derivation", "ProofResult", "check_file", "differentiate", "prove"]
