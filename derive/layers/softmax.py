"""Softmax and LogSoftmax, with torch.nn's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.codes import Shift
from derive.layers.shapes import check_shape, whole
from derive.statements import softmax as statement

MOST_RANK = 4


@dataclass(frozen=True, repr=False)
class _Rows(Layer):
    """Base: something of the rows of the input along axis `dim`, counted from the end where negative.

    Shapes: input and output alike, of one to four axes. Raises LayerError where there is no such axis.
    """

    dim: int = field(metadata={"positional": True})

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"rank": (2, 1, 3, 4), "axis": (1, 0, 2, 3)}

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", whole("dim", self.dim))

    @classmethod
    def chosen(cls, choices: Any) -> dict[str, Any]:
        """Rank and axis; where only the rank is given, the axis is the last."""
        rank = choices.get("rank", 2)
        found = super().chosen({"axis": rank - 1, **choices} if rank in (1, 2, 3, 4) else choices)
        if found["axis"] >= found["rank"]:
            raise LayerError(
                "no such axis",
                where="axis",
                expected=f"less than rank={found['rank']}",
                got=str(found["axis"]),
            )
        return found

    def own_choices(self) -> dict[str, Any]:
        """Rank and axis as far as `dim` says them; they depend on the shape."""
        rank = max(2, self.dim + 1, -self.dim)
        return {"rank": rank, "axis": self.dim % rank}

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        rank = len(input_shape)
        if not -rank <= self.dim < rank:
            raise LayerError(
                "no such axis",
                where="dim",
                expected=f"{-rank} to {rank - 1} for an input of {rank} axes",
                got=str(self.dim),
            )
        return {"rank": rank, "axis": self.dim % rank}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = check_shape(input_shape, 1, MOST_RANK)
        self.choices(shape)
        return {f"N_{i}": n for i, n in enumerate(shape)}

    def shifts(self, input_shape: Sequence[int]) -> dict[str, Shift]:
        """The shift of a row: kernels take its largest entry."""
        return {"shift": Shift("input", self.choices(input_shape)["axis"])}


class Softmax(_Rows):
    """exp(input) / sum of exp(input) along dim, as torch.nn.Softmax."""

    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Softmax(1)", (2, 3)),
        ("Softmax(-1)", (4,)),
        ("Softmax(1)", (1, 2, 2, 2)),
    )

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form, gradient, and that the shift drops out; choices: rank, axis."""
        chosen = cls.chosen(choices)
        return statement.softmax(chosen["rank"], chosen["axis"])


class LogSoftmax(_Rows):
    """The logarithm of the softmax along dim, as torch.nn.LogSoftmax."""

    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("LogSoftmax(1)", (2, 3)),
        ("LogSoftmax(0)", (3, 2)),
    )

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form, gradient, and that the shift drops out; choices: rank, axis."""
        chosen = cls.chosen(choices)
        return statement.log_softmax(chosen["rank"], chosen["axis"])
