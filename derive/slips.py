"""Owns the page of slips: statements of course notes that do not hold, beside what does.

Each slip is computed, not told: its formula is evaluated as the notes write it, on small numbers; what
holds is read off the layer's proved claim at the same numbers; the corrected formula is evaluated as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from derive import slip_cases, slip_cases_losses
from derive.slip_cases import Found, Values


@dataclass(frozen=True)
class Slip:
    """A statement of the notes.

    Attributes:
        says: as tests/data/seed_examples.json quotes it.
        written: the notes' formula; holds: the corrected one.
        proved: theorems between layers, or claims of a layer ("Conv2d: output"), that the correction is.
        find: computes the example.
    """

    says: str
    written: str
    holds: str
    proved: tuple[str, ...]
    find: Callable[[], Found]


SLIPS: tuple[Slip, ...] = (
    Slip(
        "sums run to k1, k2 (inclusive)",
        "y[r, c] = sum over a = 0..k1, b = 0..k2 of x[r+a, c+b] w[a, b]",
        "the sums run to k1 - 1 and k2 - 1",
        ("Conv2d: output",),
        slip_cases.inclusive,
    ),
    Slip(
        "sums over x,y from 0 to 3 for a 3x3 filter",
        "sum over x = 0..3, y = 0..3 of image[i+x, j+y] filter[x, y]",
        "the sums run from 0 to 2",
        ("Conv2d: output",),
        slip_cases.three_by_three,
    ),
    Slip(
        "y[c,c] on the left of the forward sum",
        "y[c, c] = sum over a, b of x[r+a, c+b] w[a, b]",
        "y[r, c] stands on the left",
        ("Conv2d: output",),
        slip_cases.left_side,
    ),
    Slip(
        "I_(x+u, y+u) in the 2-D convolution",
        "O[x, y] = sum over u, v of I[x+u, y+u] K[u, v]",
        "I[x+u, y+v]",
        ("Conv2d: output",),
        slip_cases.one_index,
    ),
    Slip(
        "y + u = i as the second index condition",
        "dE/dI[i, j] = sum of G[x, y] K[u, v] where x + u = i and y + u = i",
        "x + u = i and y + v = j",
        ("convolution-input-gradient", "Conv2d: grad_input"),
        slip_cases.second_condition,
    ),
    Slip(
        "'not a convolution but rather a crosscorrelation' for r'-a",
        "the sum of G[i-a] w[a] over a is the cross-correlation of G and w, the sum of G[i+a] w[a]",
        "it is their convolution in the strict sense, the sum of G[j] w[i-j] over j; the forward pass, with "
        "r + a, is the cross-correlation",
        ("gradient-is-a-convolution", "flipped-kernel"),
        slip_cases.strict,
    ),
    Slip(
        "dL/dx = dL/dy * w^flip without padding",
        "dL/dx is the correlation of dL/dy with the flipped kernel",
        "with k - 1 zeros on every side of dL/dy (stride 1, no padding in the forward pass)",
        ("full-correlation",),
        slip_cases.unpadded,
    ),
    Slip(
        "heading: the kernel is 'flipped horizontally'",
        "dL/dx is the correlation of the padded dL/dy with the kernel reversed left to right",
        "reversed left to right and up to down, as the text below that heading says",
        ("full-correlation", "multichannel"),
        slip_cases.horizontally,
    ),
    Slip(
        "the gradient of downsampling is upsampling with the same factor",
        "dL/dx is the zero-insertion of dL/dz by the same factor",
        "followed by as many zeros as the downsampling left over, here one row and one column",
        ("downsample-gradient", "strided-convolution"),
        slip_cases.leftover,
    ),
    Slip(
        "'2 for B&W' image channels",
        "a black-and-white image has 2 channels",
        "it has 1",
        ("Conv2d: output",),
        slip_cases.channels,
    ),
    Slip(
        "a 4x4 input padded by 1 with a 2x2 kernel, stride 1, drawn with a 4x4 output",
        "the output has 4x4 entries",
        "it has 5x5",
        ("Conv2d: output",),
        slip_cases.drawn,
    ),
    Slip(
        "softmax of (0.23, 0.89, 0.45, 0.12) is (0.05, 0.7, 0.2, 0.05)",
        "softmax of (0.23, 0.89, 0.45, 0.12) is (0.05, 0.7, 0.2, 0.05)",
        "it is about (0.197, 0.381, 0.245, 0.176)",
        ("Softmax: output",),
        slip_cases_losses.softmax_numbers,
    ),
    Slip(
        "softmax denominator sum_{i=1}^{k} e^{z_k}",
        "softmax_i = e^(z_i) / (sum over i = 1..k of e^(z_k))",
        "the sum is of e^(z_i), one term a class",
        ("Softmax: output",),
        slip_cases_losses.softmax_denominator,
    ),
    Slip(
        "w_new = w_old - eta * dy/dw",
        "w_new = w_old - eta dy/dw, with y the output",
        "w_old - eta dL/dw, the derivative of the loss",
        ("MSELoss: grad_input", "Linear: grad_weight"),
        slip_cases_losses.descent,
    ),
)


# ---- the page ----------------------------------------------------------------------------------------


def slips_page() -> str:
    """The page as Markdown."""
    head = (
        "# What the notes say, and what holds\n\n"
        "Slips of course notes. For each, the notes' formula was evaluated as written, "
        "on small numbers, and so was the layer, by its definition or its proved gradient; the "
        "corrected formula agrees with the layer at every entry. `backflip prove --theorem NAME --format "
        "text` shows the proof of a theorem for all sizes, `backflip prove Conv2d --all-sizes` those of a "
        "layer.\n"
    )
    parts = [section(number, slip) for number, slip in enumerate(SLIPS, start=1)]
    return "\n".join([head, *parts])


def section(number: int, slip: Slip) -> str:
    """One slip: what is written, the first entry at which it fails, what holds and which proof it has."""
    found = slip.find()
    entry, *others = found.differing
    differ = f"{len(others) + 1} of {len({**found.truth, **found.claimed})} entries"
    proofs = ", ".join(f"`{name}`" for name in slip.proved)
    return (
        f"## {number}. {slip.says}\n\n"
        f"- The notes: {slip.written}.\n"
        f"- Example: {found.at}.\n"
        f"- `{entry}`: the notes' formula gives **{written(found.claimed, entry)}**, "
        f"the layer has **{written(found.truth, entry)}** ({differ} differ).\n"
        f"- What holds: {slip.holds}. There it gives {written(found.mended, entry)}.\n"
        f"- Proved: {proofs}.\n"
    )


def written(values: Values, entry: str) -> str:
    """A value as it is written: whole numbers, and decimals for fractions with a power of ten below."""
    if entry not in values:
        return "no such entry"
    value = Fraction(values[entry])
    return (
        f"{float(value):.6f}".rstrip("0")
        if 10**6 % value.denominator == 0 < value.denominator - 1
        else str(value)
    )
