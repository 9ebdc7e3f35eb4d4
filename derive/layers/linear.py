"""Linear, with torch.nn.Linear's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import check_shape, flag, positive_int
from derive.statements import linear as statement

MOST_LEAD = 3
"""Leading axes that an input may have before its features."""


@dataclass(frozen=True, repr=False)
class Linear(Layer):
    """output = input @ weight.T + bias, as torch.nn.Linear.

    Args:
        in_features, out_features: lengths of the last axis of input and output.
        bias: whether a bias is added.

    Shapes: input (*, in_features) with up to three leading axes; weight (out_features, in_features);
    bias (out_features,). Raises LayerError on anything else.
    """

    in_features: int = field(metadata={"positional": True})
    out_features: int = field(metadata={"positional": True})
    bias: bool = True

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"bias": (True, False), "lead": (1, 0, 2, 3)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Linear(3, 2)", (2, 3)),
        ("Linear(2, 3, bias=False)", (2,)),
        ("Linear(2, 2)", (2, 3, 2)),
    )

    def __post_init__(self) -> None:
        for where in ("in_features", "out_features"):
            object.__setattr__(self, where, positive_int(where, getattr(self, where)))
        flag("bias", self.bias)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradients over symbolic sizes; choices: bias, number of leading axes."""
        chosen = cls.chosen(choices)
        return statement.claims(chosen["lead"], chosen["bias"])

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"bias": self.bias, "lead": len(input_shape) - 1}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = check_shape(input_shape, 1, MOST_LEAD + 1)
        if shape[-1] != self.in_features:
            raise LayerError(
                "wrong number of features",
                where=f"input_shape[{len(shape) - 1}]",
                expected=f"in_features={self.in_features}",
                got=str(shape[-1]),
                mend=f"the input shape {(*shape[:-1], self.in_features)}, or a layer with "
                f"in_features={shape[-1]}",
            )
        lead = {f"N_{i}": n for i, n in enumerate(shape[:-1])}
        return lead | {"C": self.in_features, "K": self.out_features}
