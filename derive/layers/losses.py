"""CrossEntropyLoss and NLLLoss, with torch.nn's arguments by keyword."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.index import name
from derive.layers.base import Layer
from derive.layers.codes import Code, Shift
from derive.layers.shapes import check_shape, exact, flag, one_of, whole
from derive.statements.losses import REDUCTIONS, Likelihood

MOST_PLACES = 3
TARGETS = ("indices", "probabilities")


@dataclass(frozen=True, repr=False, kw_only=True)
class _OverClasses(Layer):
    """Base: input (N, C, *places) or (C,); target int64 class indices (N, *places) or ().

    Args:
        weighted: whether classes have weights, given as the operand class_weight of shape (C,).
        ignore_index: a target that counts for nothing.
        reduction: "mean" (by the weights of the targets), "sum" or "none".
    """

    weighted: bool = False
    ignore_index: int = -100
    reduction: str = "mean"

    logits: ClassVar[bool] = True
    unprinted: ClassVar[tuple[str, ...]] = ("weighted", "ignore_index", "reduction")
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {
        "reduction": REDUCTIONS,
        "weighted": (False, True),
        "batched": (True, False),
        "places": (0, 1, 2, 3),
    }

    def __post_init__(self) -> None:
        flag("weighted", self.weighted)
        whole("ignore_index", self.ignore_index)
        one_of("reduction", self.reduction, REDUCTIONS)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; the choices are those of `discrete`."""
        chosen = cls.chosen(choices)
        if chosen["places"] and not chosen["batched"]:
            raise LayerError(
                "places without a batch", where="batched", expected="batched=True", got=f"{chosen['places']=}"
            )
        chosen["indices"] = chosen.pop("target", "indices") == "indices"
        return Likelihood(logits=cls.logits, **chosen).claims()

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return self.own_choices() | {
            "batched": len(input_shape) > 1,
            "places": max(0, len(input_shape) - 2),
        }

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = check_shape(input_shape, 1, MOST_PLACES + 2)
        lead = {"N": shape[0]} if len(shape) > 1 else {}
        return lead | {"C": shape[int(len(shape) > 1)]} | {f"D_{i}": n for i, n in enumerate(shape[2:])}

    def codes(self, input_shape: Sequence[int]) -> dict[str, Code]:
        """The target as an indicator of the class; an ignored one is the code of no class."""
        batched, rank = len(input_shape) > 1, len(input_shape)
        axis = int(batched)
        lead = tuple(i for i in range(rank) if i != axis)
        return {"chosen": Code("target", lead, name(f"x{axis}"))}

    def assumptions(self) -> tuple[str, ...]:
        """What a mean needs."""
        if self.reduction != "mean":
            return ()
        return ("what the mean divides by is not 0 (a target that is not ignored, a weight that is not 0)",)


@dataclass(frozen=True, repr=False, kw_only=True)
class NLLLoss(_OverClasses):
    """-input[target], the input being logarithms of probabilities; as torch.nn.NLLLoss."""

    logits: ClassVar[bool] = False
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("NLLLoss()", (2, 3)),
        ("NLLLoss(weighted=True, reduction='none')", (2, 3, 2)),
    )


@dataclass(frozen=True, repr=False, kw_only=True)
class CrossEntropyLoss(_OverClasses):
    """-log softmax(input)[target], as torch.nn.CrossEntropyLoss.

    Further args:
        label_smoothing: part of the target spread evenly over the classes.
        target: "indices", or "probabilities": a target of the input's shape, not differentiated by.

    The gradient is (sum of y) p - y for the (weighted, smoothed) target y, times what the reduction leaves.
    """

    label_smoothing: float = 0.0
    target: str = "indices"

    unprinted: ClassVar[tuple[str, ...]] = (*_OverClasses.unprinted, "label_smoothing", "target")
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {
        **_OverClasses.discrete,
        "target": TARGETS,
        "smoothed": (False, True),
    }
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("CrossEntropyLoss()", (2, 3)),
        ("CrossEntropyLoss(reduction='sum', label_smoothing=0.1)", (2, 3)),
        ("CrossEntropyLoss(target='probabilities', reduction='none')", (3,)),
        ("CrossEntropyLoss(weighted=True)", (1, 3, 2)),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("target", self.target, TARGETS)
        if not 0 <= exact("label_smoothing", self.label_smoothing) <= 1:
            raise LayerError(
                "not a part of one",
                where="label_smoothing",
                expected="0 <= label_smoothing <= 1",
                got=str(self.label_smoothing),
            )
        if self.target == "probabilities" and self.ignore_index >= 0:
            raise LayerError(
                "nothing to ignore among probabilities",
                where="ignore_index",
                expected="no ignore_index with target='probabilities'",
                got=str(self.ignore_index),
            )

    @property
    def smoothed(self) -> bool:
        return exact("label_smoothing", self.label_smoothing) != 0

    def told(self, input_shape: Sequence[int], **shapes: Sequence[int]) -> Layer:
        """A target of the input's shape is one of probabilities."""
        given = shapes.get("target")
        if given is not None and tuple(given) == tuple(input_shape) and self.target == "indices":
            return replace(self, target="probabilities")
        return self

    def codes(self, input_shape: Sequence[int]) -> dict[str, Code]:
        return super().codes(input_shape) if self.target == "indices" else {}

    def shifts(self, input_shape: Sequence[int]) -> dict[str, Shift]:
        """The shift of a row: kernels take its largest entry."""
        return {"shift": Shift("input", int(len(input_shape) > 1))}

    def tables(self, input_shape: Sequence[int]) -> dict[str, tuple[Fraction, ...]]:
        """What the target keeps, and what each class gets of the rest."""
        if not self.smoothed:
            return {}
        part = exact("label_smoothing", self.label_smoothing)
        classes = self.sizes(input_shape)["C"]
        return {"kept": (1 - part,), "smooth": (part / classes,)}
