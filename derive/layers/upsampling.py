"""Upsample, with torch.nn.Upsample's arguments: nearest, linear, bilinear and trilinear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError, LimitError
from derive.layers.base import Layer
from derive.layers.shapes import TAGS, as_tuples, axis_tuple, batched_images, flag
from derive.statements.resampling import Banded

MODES = {"nearest": (1, 2, 3), "linear": (1,), "bilinear": (2,), "trilinear": (3,)}
"""The modes, and for how many spatial axes each is."""


@dataclass(frozen=True, repr=False)
class Upsample(Layer):
    """Resampling to another size, as torch.nn.Upsample.

    Args:
        size: output lengths: an int, or one an axis. Either this or scale_factor.
        scale_factor: output length is floor(length * scale_factor); weights take the decimal as written.
        mode: 'nearest', or 'linear', 'bilinear', 'trilinear' for one, two, three spatial axes.
        align_corners: for the linear modes: whether the corner entries of input and output coincide.
        recompute_scale_factor: whether the scale is taken from the two lengths again.

    Shapes: input (N, C, *lengths), always with a batch. Source place of output place o, with scale =
    length / output length or 1 / scale_factor: floor(o * scale) for nearest; (o + 1/2) * scale - 1/2, not
    below 0, or with align_corners o * (length - 1) / (output length - 1), for the linear modes. The linear
    modes copy an axis whose two lengths are equal, as PyTorch does. For nearest, where PyTorch copies in some
    paths (a given scale_factor at equal or doubled lengths), the floor is taken here.
    """

    size: int | tuple[int, ...] | None = None
    scale_factor: float | tuple[float, ...] | None = None
    mode: str = "nearest"
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None

    unprinted: ClassVar[tuple[str, ...]] = ("align_corners", "recompute_scale_factor")
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"rank": (2, 1, 3), "mode": ("nearest", "linear")}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Upsample(scale_factor=2)", (1, 1, 2, 3)),
        ("Upsample(size=(3, 5), mode=bilinear)", (1, 1, 2, 3)),
        ("Upsample(scale_factor=1.5, mode=linear, align_corners=True)", (1, 2, 4)),
        ("Upsample(size=(2, 3, 2), mode=trilinear, align_corners=False)", (1, 1, 2, 2, 2)),
        ("Upsample(scale_factor=(1.5, 0.5))", (1, 1, 4, 4)),
    )

    def __post_init__(self) -> None:
        for where in ("size", "scale_factor"):
            object.__setattr__(self, where, as_tuples(getattr(self, where)))
        if (self.size is None) == (self.scale_factor is None):
            raise LayerError(
                "either size or scale_factor",
                where="size, scale_factor",
                expected="one of the two",
                got="neither" if self.size is None else "both",
            )
        if self.mode not in MODES:
            raise LayerError("unknown mode", where="mode", expected=" or ".join(MODES), got=repr(self.mode))
        self._check_flags()
        if self.size is not None:
            axis_tuple("size", self.size, len(self.size) if isinstance(self.size, tuple) else 1)
        for value in self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor,):
            good = not isinstance(value, bool) and isinstance(value, (int, float))
            if value is not None and not (good and math.isfinite(value) and value > 0):
                raise LayerError(
                    "not a scale", where="scale_factor", expected="positive numbers", got=repr(value)
                )

    def _check_flags(self) -> None:
        for where in ("align_corners", "recompute_scale_factor"):
            if getattr(self, where) is not None:
                flag(where, getattr(self, where))
        if self.mode == "nearest" and self.align_corners is not None:
            raise LayerError(
                "align_corners goes with the linear modes",
                where="align_corners",
                expected="None with mode='nearest'",
                got=str(self.align_corners),
            )
        if self.recompute_scale_factor and self.size is not None:
            raise LayerError(
                "recompute_scale_factor goes with scale_factor",
                where="recompute_scale_factor",
                expected="None or False with size",
                got="True",
            )

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choices: rank, mode (nearest or linear)."""
        chosen = cls.chosen(choices)
        weight = "one" if chosen["mode"] == "nearest" else "table"
        return Banded(TAGS[chosen["rank"]], weight=weight).claims()

    def own_choices(self) -> dict[str, Any]:
        return {"rank": MODES[self.mode][self.mode == "nearest"], "mode": self._kind}

    def left_open(self) -> list[str]:
        """Arguments not given; None computes as False, and says nothing where the mode does not ask."""
        asked = [] if self.mode == "nearest" or self.align_corners is not None else ["align_corners"]
        asked += ["recompute_scale_factor"] if self.size is None and not self.recompute_scale_factor else []
        return [f"{name}=False" for name in asked]

    @property
    def _kind(self) -> str:
        return "nearest" if self.mode == "nearest" else "linear"

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        rank = len(batched_images(input_shape)) - 2
        if rank not in MODES[self.mode]:
            wanted = ", ".join(str(r + 2) for r in MODES[self.mode])
            raise LayerError(
                f"mode {self.mode} does not fit the input",
                where="mode, input_shape",
                expected=f"an input of {wanted} axes",
                got=f"{rank + 2} axes: {tuple(input_shape)!r}",
                mend=f"mode={next(m for m, r in MODES.items() if rank in r and m != 'nearest')}",
            )
        return {"rank": rank, "mode": self._kind}

    def axes(self, input_shape: Sequence[int]) -> list[tuple[str, int, int, Fraction]]:
        """(tag, length, output length, input places for each output place) of every spatial axis."""
        rank, shape = self.choices(input_shape)["rank"], batched_images(input_shape)
        lengths = shape[2:]
        if self.size is not None:
            outs = axis_tuple("size", self.size, rank)
            scales = [Fraction(n, o) for n, o in zip(lengths, outs, strict=True)]
            return list(zip(TAGS[rank], lengths, outs, scales, strict=True))
        given = self.scale_factor
        factors = given if isinstance(given, tuple) else (given,) * rank
        if len(factors) != rank:
            raise LayerError(
                "wrong number of values",
                where="scale_factor",
                expected=f"one number, or {rank} of them",
                got=f"{len(factors)}: {given!r}",
            )
        found = []
        for tag, length, factor in zip(TAGS[rank], lengths, factors, strict=True):
            assert factor is not None
            out = math.floor(float(length) * float(factor))
            if out < 1:
                raise LayerError(
                    "nothing left of the output",
                    where=f"scale_factor, spatial axis {tag.upper()}",
                    expected="length * scale_factor >= 1",
                    got=f"{length} * {factor}",
                )
            copied = self.mode != "nearest" and out == length  # as PyTorch: an axis of equal length is copied
            given_scale = not (self.recompute_scale_factor or copied)
            scale = 1 / Fraction(str(factor)) if given_scale else Fraction(length, out)
            found.append((tag, length, out, scale))
        return found

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = batched_images(input_shape)
        sizes = {"N": shape[0], "C": shape[1]}
        for tag, length, out, scale in self.axes(input_shape):
            if self.mode != "nearest" and self.align_corners:
                band = (length - 1, out - 1, out - 2, 2 * out - 3) if out > 1 else (0, 1, 0, 1)
            else:
                band = _band(length, out, scale, self.mode == "nearest")
            sizes |= {tag.upper(): length, f"{tag.upper()}_out": out}
            sizes |= {f"{x}_{tag}": value for x, value in zip("uvtw", band, strict=True)}
        return sizes

    def tables(self, input_shape: Sequence[int]) -> dict[str, tuple[Fraction, ...]]:
        """The interpolation weights, exact: table[o, i]."""
        if self.mode == "nearest":
            return {}
        axes = self.axes(input_shape)
        return {
            f"table_{t}": _weights(length, out, s, bool(self.align_corners)) for t, length, out, s in axes
        }


Band = tuple[int, int, int, int]
"""u, v, t, w: place o reads entry i where 0 <= u*o - v*i + t < w."""

SHORT = 10_000
"""Numbers up to which a band is taken as it stands; a decimal like 0.3333333333333333 gives longer ones."""


@lru_cache(maxsize=64)
def _band(length: int, out: int, scale: Fraction, nearest: bool) -> Band:
    """The band of a scale; where its numbers are long, one with short numbers that reads the same entries.

    A linear band may read entries more, whose weight is 0.
    """
    exact = _nearest(scale) if nearest else _linear(scale, 0)
    if max(exact) <= SHORT:
        return exact
    wanted = _read(exact, length, out)
    for bound in (10, 100, 1000, SHORT, 10 * SHORT):
        simple = scale.limit_denominator(bound)
        if simple <= 0:
            continue
        if nearest and _read(_nearest(simple), length, out) == wanted:
            return _nearest(simple)
        wide = _linear(simple, 1)
        pairs = zip(_read(wide, length, out), wanted, strict=True)
        if not nearest and all(a <= b and d <= c for (a, c), (b, d) in pairs):
            return wide
    return exact


def _nearest(scale: Fraction) -> Band:
    return (scale.numerator, scale.denominator, 0, scale.denominator)


def _linear(scale: Fraction, more: int) -> Band:
    """Entries nearer to the source place than 1; or, with `more`, at most 1 from it."""
    step, many = scale.numerator, scale.denominator
    return (2 * step, 2 * many, step + many - 1 + more, 4 * many - 1 + 2 * more)


def _read(band: Band, length: int, out: int) -> list[tuple[int, int]]:
    """First and last entry that each output place reads."""
    u, v, t, w = band
    return [(max(0, -((w - 1 - t - u * o) // v)), min(length - 1, (u * o + t) // v)) for o in range(out)]


MOST_WEIGHTS = 2**24
"""Entries that the table of one axis may have."""


@lru_cache(maxsize=16)
def _weights(length: int, out: int, scale: Fraction, align_corners: bool) -> tuple[Fraction, ...]:
    """table[o, i] of a linear resampling from `length` to `out` entries, row-major."""
    if length * out > MOST_WEIGHTS:
        raise LimitError(
            "interpolation table too large",
            where="input_shape",
            expected=f"at most {MOST_WEIGHTS:,} weights an axis",
            got=f"{out:,} x {length:,}",
            mend="a smaller input, or mode='nearest'",
        )
    rows = [Fraction(0)] * (length * out)
    for o in range(out):
        if align_corners:
            source = Fraction(o * (length - 1), out - 1) if out > 1 else Fraction(0)
        else:
            source = max(Fraction(0), (o + Fraction(1, 2)) * scale - Fraction(1, 2))
        low = min(math.floor(source), length - 1)
        part = min(source - low, Fraction(1))
        rows[o * length + low] += 1 - part
        rows[o * length + min(low + 1, length - 1)] += part
    return tuple(rows)
