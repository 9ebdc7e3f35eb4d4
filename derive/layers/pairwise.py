"""MSELoss, BCELoss, BCEWithLogitsLoss with torch.nn's arguments by keyword, and L2Penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import check_shape, exact, flag, one_of
from derive.statements.losses import REDUCTIONS
from derive.statements.pairwise import Pairs, penalty

MOST_RANK = 4
RANKS = (2, 1, 3, 4)


@dataclass(frozen=True, repr=False, kw_only=True)
class _Pairs(Layer):
    """Base: input and target of one shape, of one to four axes; reduction is "mean", "sum" or "none"."""

    reduction: str = "mean"

    unprinted: ClassVar[tuple[str, ...]] = ("reduction",)
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"reduction": REDUCTIONS, "rank": RANKS}

    def __post_init__(self) -> None:
        one_of("reduction", self.reduction, REDUCTIONS)

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return self.own_choices() | {"rank": len(input_shape)}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        return {f"N_{i}": n for i, n in enumerate(check_shape(input_shape, 1, MOST_RANK))}


@dataclass(frozen=True, repr=False, kw_only=True)
class MSELoss(_Pairs):
    """(input - target)^2, as torch.nn.MSELoss; input and target have the same shape and both a gradient."""

    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("MSELoss()", (2, 3)),
        ("MSELoss(reduction='none')", (3,)),
    )

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradients over symbolic sizes; choices: reduction, rank."""
        return Pairs(**cls.chosen(choices)).squares()


@dataclass(frozen=True, repr=False, kw_only=True)
class BCELoss(_Pairs):
    """-(target log input + (1 - target) log(1 - input)), as torch.nn.BCELoss, for probabilities.

    Further args:
        weighted: whether each entry has a weight, given as the operand weight of the input's shape.

    As in PyTorch logarithms are not less than -100 and the gradient divides by no less than 1e-12.
    """

    weighted: bool = False

    unprinted: ClassVar[tuple[str, ...]] = ("weighted", "reduction")
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {**_Pairs.discrete, "weighted": (False, True)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("BCELoss()", (2, 3)),
        ("BCELoss(weighted=True, reduction='sum')", (3,)),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        flag("weighted", self.weighted)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choices: reduction, rank, weighted."""
        return Pairs(**cls.chosen(choices)).entropy()

    def bounds(self) -> dict[str, tuple[int, int]]:
        """Probabilities."""
        return {"input": (0, 1), "target": (0, 1)}

    def assumptions(self) -> tuple[str, ...]:
        """The domain of the logarithms."""
        return ("0 < input < 1; at the ends logarithms end at -100 and the divisor at 1e-12, as in PyTorch",)


@dataclass(frozen=True, repr=False, kw_only=True)
class BCEWithLogitsLoss(_Pairs):
    """BCELoss of the sigmoid of the input, as torch.nn.BCEWithLogitsLoss, finite for every finite logit.

    Further args:
        weighted: whether each entry has a weight (operand weight, of the input's shape).
        positive_weighted: whether targets of 1 have weights (operand pos_weight, of the last axis's length).
    """

    weighted: bool = False
    positive_weighted: bool = False

    unprinted: ClassVar[tuple[str, ...]] = ("weighted", "positive_weighted", "reduction")
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {
        **_Pairs.discrete,
        "weighted": (False, True),
        "positive_weighted": (False, True),
    }
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("BCEWithLogitsLoss()", (2, 3)),
        ("BCEWithLogitsLoss(positive_weighted=True, reduction='none')", (2, 2)),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        flag("weighted", self.weighted)
        flag("positive_weighted", self.positive_weighted)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choices: reduction, rank, weights."""
        chosen = cls.chosen(choices)
        chosen["positive"] = chosen.pop("positive_weighted")
        return Pairs(**chosen).entropy_of_logits()


@dataclass(frozen=True, repr=False)
class L2Penalty(Layer):
    """weight_decay / 2 times the sum of the squares of all entries; its gradient is weight_decay * input.

    It is what torch.optim's weight_decay adds to a loss. Input: one to four axes.
    """

    weight_decay: float = field(metadata={"positional": True})

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"rank": RANKS}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("L2Penalty(0.1)", (2, 3)),)

    def __post_init__(self) -> None:
        if exact("weight_decay", self.weight_decay) < 0:
            raise LayerError(
                "negative weight decay",
                where="weight_decay",
                expected="0 or more",
                got=str(self.weight_decay),
            )

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: rank."""
        return penalty(cls.chosen(choices)["rank"])

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"rank": len(input_shape)}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        return {f"N_{i}": n for i, n in enumerate(check_shape(input_shape, 1, MOST_RANK))}

    def tables(self, input_shape: Sequence[int]) -> dict[str, tuple[Fraction, ...]]:
        """The factor of the penalty."""
        return {"weight_decay": (exact("weight_decay", self.weight_decay),)}
