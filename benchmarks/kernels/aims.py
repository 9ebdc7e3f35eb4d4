"""Owns what each row is meant to reach: ratios to the best peer at one thread and batch 1, by accuracy tier.

The aims were set from prototypes before the kernels were written; a row that misses one says so in its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Aim = Mapping[str, float]
ONE: Aim = {"strict": 1.0}
DENSE: Aim = {"strict": 1.5, "balanced": 2.0, "relaxed": 2.5}
_FILTERS = "grad weight"

BY_CASE: Mapping[str, Mapping[str, Aim]] = {
    "LeNet c2": {"forward": {"strict": 2.2}, "gradients": {"strict": 5.0}},
    "16@32": {"forward": {"strict": 1.4, "relaxed": 2.0}, "gradients": {"strict": 1.5, "relaxed": 2.0}},
    "64@8": {"forward": {"strict": 1.0, "relaxed": 2.0}, "gradients": {"strict": 1.5, "relaxed": 2.0}},
    "64@56": {"forward": DENSE, "grad input": DENSE, _FILTERS: {"strict": 1.5, "relaxed": 2.4}},
    "128@28": {"forward": DENSE, "grad input": DENSE, _FILTERS: {"strict": 1.0, "relaxed": 2.4}},
    "256@14": {
        "forward": {"strict": 1.4, "relaxed": 2.2},
        "grad input": {"strict": 1.4, "relaxed": 2.2},
        _FILTERS: {"strict": 1.0, "relaxed": 2.4},
    },
    "512@7": {
        "forward": {"strict": 1.0, "relaxed": 1.1},
        "grad input": {"strict": 1.0, "relaxed": 1.1},
        _FILTERS: {"strict": 1.0, "relaxed": 2.4},
    },
    "7x7 s2 3-64@224": {"forward": ONE, "grad input": {"strict": 3.0}, _FILTERS: ONE},
    "VGG 64@224": {"forward": {"strict": 1.2, "relaxed": 1.9}, "grad input": {"strict": 1.2, "relaxed": 1.9}},
    "nearest x2 64@56": {"forward": ONE, "gradients": {"strict": 2.0}},
}
BY_CLASS: Mapping[str, Mapping[str, Aim]] = {
    "first and tiny": {"forward": {"strict": 2.5}, "gradients": {"strict": 5.0}},
    "1x1": {"forward": ONE, "gradients": {"strict": 1.5}},
    "depthwise": {"forward": {"strict": 2.0}, "gradients": {"strict": 1.5}},
    "pooling": {"forward": {"strict": 2.0}, "gradients": {"strict": 2.0}},
    "resampling": {"forward": {"strict": 2.0}, "gradients": {"strict": 2.0}},
    "transposed": {"forward": {"strict": 1.2}, "gradients": {"strict": 1.2}},
    "conv1d": {"forward": {"strict": 1.2}, "gradients": {"strict": 1.2}},
    "conv3d": {"forward": {"strict": 1.2}, "gradients": {"strict": 1.2}},
    "float64": {"forward": {"strict": 1.5}, "gradients": {"strict": 1.5}},
}
ALL: Mapping[str, Aim] = {
    "forward": {"strict": 1.7, "relaxed": 2.0},
    "gradients": {"strict": 2.2, "relaxed": 2.5},
}
"""Of the geometric means over all rows."""


def aim_of(row: Mapping[str, Any]) -> Aim:
    """What a row is meant to reach, by tier; of rows that have no aim of their own 1 in strict mode."""
    if (row["threads"], row["batch"], row["mode"]) != (1, 1, "warm"):
        return ONE
    named = BY_CASE.get(row["case"]) if row["dtype"] == "float32" else None
    known = named or BY_CLASS.get(row["class"], {})
    wide = "forward" if row["operation"] == "forward" else "gradients"
    return known.get(row["operation"], known.get(wide, ONE))


def missed(row: Mapping[str, Any], ratios: Mapping[str, float | None]) -> list[str]:
    """The tiers whose ratio is below the aim, in words; a tier that was not measured is none of them."""
    found = []
    for tier, aim in aim_of(row).items():
        reached = ratios.get(tier)
        if reached is not None and reached < aim:
            found.append(f"{tier} {reached:.2f} of {aim:g}")
    return found
