"""Owns the examples of the slips: each statement of the notes evaluated on whole numbers beside the layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from derive.derivation import differentiate
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.conv import Conv1d, Conv2d
from derive.layers.resampling import Downsample, UpsampleZeros

Values = Mapping[str, int | Fraction]
"""Entries by name: "output[0, 1]" -> 37."""
Place = tuple[int, ...]
Grid = Mapping[Place, int]
Formula = Callable[[Place], int]


@dataclass(frozen=True)
class Found:
    """One slip at one example: what the layer has, what the notes' formula gives, and the mended one."""

    at: str
    truth: Values
    claimed: Values
    mended: Values

    @property
    def differing(self) -> list[str]:
        """Entries at which the notes' formula gives another value, or none, or one that does not exist."""
        return [e for e in {**self.truth, **self.claimed} if self.truth.get(e) != self.claimed.get(e)]


# ---- numbers and what the proved claims give on them -----------------------------------------------


def grid(shape: Sequence[int], first: int = 1) -> dict[Place, int]:
    """Whole numbers first, first + 1, ... row by row."""
    return {place: first + n for n, place in enumerate(product(*map(range, shape)))}


def ones(shape: Sequence[int]) -> dict[Place, int]:
    return dict.fromkeys(product(*map(range, shape)), 1)


def named(tensor: str, shape: Sequence[int], formula: Formula) -> Values:
    """The formula at every entry of the shape."""
    return {f"{tensor}{list(at)}": formula(at) for at in product(*map(range, shape))}


def spatial(layer: Layer, rank: int, tensor: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return next(o.shape for o in layer.operands(shape) if o.name == tensor)[-rank:]


def forward(layer: Layer, shape: tuple[int, ...], x: Grid, w: Grid) -> Values:
    """The output of a layer of one channel on these numbers, by its definition."""
    rank = len(shape) - 2
    built = layer.to_sympy(shape).output
    known = {"input": x, "weight": w}
    places = spatial(layer, rank, "output", shape)
    return named("output", places, lambda at: _number(built[(0, 0, *at)], known, rank))


def backward(layer: Layer, shape: tuple[int, ...], g: Grid, w: Grid) -> Values:
    """The input gradient of a layer of one channel on these numbers, by its proved closed form."""
    rank = len(shape) - 2
    proved = differentiate(layer, shape, "input")["input"]
    known = {"grad_output": g, "weight": w}
    return named("grad_input", shape[-rank:], lambda at: _number(proved.element((0, 0, *at)), known, rank))


def _number(expression: object, known: Mapping[str, Grid], rank: int) -> int:
    """A polynomial in tensor entries at the given numbers."""
    import sympy

    value = sympy.sympify(expression)
    entries = value.atoms(sympy.Indexed)
    put = {e: known[str(e.base.label)][tuple(int(i) for i in e.indices[-rank:])] for e in entries}
    return int(value.xreplace(put))


def taps(high: Sequence[int]) -> list[Place]:
    return list(product(*map(range, high)))


# ---- the slips ---------------------------------------------------------------------------------------


def _sums(kernel: int, image: int) -> Found:
    """Sums that run one too far: with ones wherever they read, they count their products."""
    layer, shape = Conv2d(1, 1, kernel, bias=False), (1, 1, image, image)
    x, w = ones((image, image)), ones((kernel, kernel))
    out = spatial(layer, 2, "output", shape)

    def summed(o: Place, last: int) -> int:
        read = [((o[0] + a, o[1] + b), (a, b)) for a, b in taps((last + 1, last + 1))]
        return sum(x.get(spot, 1) * w.get(tap, 1) for spot, tap in read)

    outside = next(tap for tap in taps((kernel + 1, kernel + 1)) if tap not in w)
    at = (
        f"{layer!r} at {image}x{image}, every entry 1, and 1 for what is read outside as well; "
        f"the first read outside the kernel is w{list(outside)}"
    )
    claimed = named("output", out, lambda o: summed(o, kernel))
    return Found(
        at, forward(layer, shape, x, w), claimed, named("output", out, lambda o: summed(o, kernel - 1))
    )


def inclusive() -> Found:
    return _sums(2, 3)


def three_by_three() -> Found:
    return _sums(3, 4)


def _plane() -> tuple[Conv2d, tuple[int, ...], dict[Place, int], dict[Place, int]]:
    """The notes' own case: image 3x3, kernel 2x2."""
    return Conv2d(1, 1, 2, bias=False), (1, 1, 3, 3), grid((3, 3)), grid((2, 2))


NUMBERS = "Conv2d(1, 1, 2) at 3x3, image 1 to 9 row by row, kernel 1 to 4"
GRADIENTS = "Conv2d(1, 1, 2) at 3x3, grad_output 10 to 13 row by row, kernel 1 to 4"


def one_index() -> Found:
    layer, shape, x, w = _plane()
    return Found(
        NUMBERS,
        forward(layer, shape, x, w),
        named("output", (2, 2), lambda o: sum(x[o[0] + u, o[1] + u] * w[u, v] for u, v in taps((2, 2)))),
        named("output", (2, 2), lambda o: sum(x[o[0] + u, o[1] + v] * w[u, v] for u, v in taps((2, 2)))),
    )


def left_side() -> Found:
    """y[c, c] = the sum at (r, c): the last row r to be written stays."""
    layer, shape, x, w = _plane()

    def at(r: int, c: int) -> int:
        return sum(x[r + a, c + b] * w[a, b] for a, b in taps((2, 2)))

    claimed: dict[str, int] = {}
    for r, c in taps((2, 2)):
        claimed[f"output{[c, c]}"] = at(r, c)
    right = named("output", (2, 2), lambda o: at(*o))
    return Found(f"{NUMBERS}; rows r assigned in order", forward(layer, shape, x, w), claimed, right)


def second_condition() -> Found:
    layer, shape, _, w = _plane()
    g = grid((2, 2), 10)

    def total(i: int, j: int, second: Callable[[int, int, int], bool]) -> int:
        pairs = product(taps((2, 2)), taps((2, 2)))
        return sum(g[x, y] * w[u, v] for (x, y), (u, v) in pairs if x + u == i and second(y, u, v))

    return Found(
        GRADIENTS,
        backward(layer, shape, g, w),
        named("grad_input", (3, 3), lambda e: total(e[0], e[1], lambda y, u, v: y + u == e[0])),
        named("grad_input", (3, 3), lambda e: total(e[0], e[1], lambda y, u, v: y + v == e[1])),
    )


def strict() -> Found:
    """sum of G[i - a] w[a]: it is the convolution of G and w; their cross-correlation is something else."""
    layer, shape = Conv1d(1, 1, 2, bias=False), (1, 1, 4)
    g, w = grid((3,), 10), grid((2,))
    return Found(
        "Conv1d(1, 1, 2) at length 4, grad_output 10, 11, 12, kernel 1, 2; entries outside count as 0",
        backward(layer, shape, g, w),
        named("grad_input", (4,), lambda i: sum(g.get((i[0] + a,), 0) * w[a,] for a in range(2))),
        named("grad_input", (4,), lambda i: sum(g[j,] * w.get((i[0] - j,), 0) for j in range(3))),
    )


def _flip(x: Grid, w: Grid, e: Place, border: int, turn: Callable[[int, int], Place]) -> int:
    """Entry e of the correlation of x, with `border` zeros around it, with the kernel turned."""
    spots = [((e[0] + a - border, e[1] + b - border), turn(a, b)) for a, b in taps((2, 2))]
    return sum(x.get(spot, 0) * w[tap] for spot, tap in spots)


def _both(a: int, b: int) -> Place:
    return 1 - a, 1 - b


def unpadded() -> Found:
    layer, shape, _, w = _plane()
    g = grid((2, 2), 10)
    short = spatial(layer, 2, "output", (1, 1, 2, 2))
    return Found(
        f"{GRADIENTS}; without padding the correlation has {len(taps(short))} of the gradient's entries",
        backward(layer, shape, g, w),
        named("grad_input", short, lambda e: _flip(g, w, e, 0, _both)),
        named("grad_input", (3, 3), lambda e: _flip(g, w, e, 1, _both)),
    )


def horizontally() -> Found:
    layer, shape, _, w = _plane()
    g = grid((2, 2), 10)
    return Found(
        GRADIENTS,
        backward(layer, shape, g, w),
        named("grad_input", (3, 3), lambda e: _flip(g, w, e, 1, lambda a, b: (a, 1 - b))),
        named("grad_input", (3, 3), lambda e: _flip(g, w, e, 1, _both)),
    )


def leftover() -> Found:
    g = grid((2, 2), 10)
    long = UpsampleZeros(2).output_shape((1, 1, 2, 2))[2:]

    def spread(e: Place) -> int:
        return g[e[0] // 2, e[1] // 2] if e[0] % 2 == 0 and e[1] % 2 == 0 else 0

    def followed(e: Place) -> int:
        return spread(e) if max(e) < long[0] else 0

    return Found(
        f"Downsample(2) at 4x4, grad_output 10 to 13; its zero-insertion has shape {long}",
        backward(Downsample(2), (1, 1, 4, 4), g, {}),
        named("grad_input", long, spread),
        named("grad_input", (4, 4), followed),
    )


def channels() -> Found:
    """A layer for two channels does not take the image; one for a single channel does."""
    image = (1, 1, 3, 3)

    def accepted(channels: int) -> int:
        try:
            Conv2d(channels, 1, 2).operands(image)
        except LayerError:
            return 0
        return 1

    counts = {n: accepted(n) for n in (1, 2)}
    return Found(
        f"a black-and-white image as an array of shape {image}: 1 where Conv2d(channels, 1, 2) takes it, "
        "else 0",
        {f"channels={n}": taken for n, taken in counts.items()},
        {f"channels={n}": int(n == 2) for n in counts},
        {f"channels={n}": int(n == 1) for n in counts},
    )


def drawn() -> Found:
    layer, shape = Conv2d(1, 1, 2, padding=1, bias=False), (1, 1, 4, 4)
    x, w = grid((4, 4)), grid((2, 2))
    out = spatial(layer, 2, "output", shape)

    def value(o: Place) -> int:
        return sum(x.get((o[0] + a - 1, o[1] + b - 1), 0) * w[a, b] for a, b in taps((2, 2)))

    return Found(
        f"Conv2d(1, 1, 2, padding=1) at 4x4, image 1 to 16, kernel 1 to 4; the output has shape {out}",
        forward(layer, shape, x, w),
        named("output", (4, 4), value),
        named("output", out, value),
    )
