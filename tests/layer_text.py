"""What a layer text means, read on its own: no peer learns an argument from backflip's layer objects."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

Shape = tuple[int, ...]

CONV = (
    "in_channels out_channels kernel_size stride=1 padding=0 dilation=1 groups=1 bias=True padding_mode=zeros"
)
TRANSPOSED = (
    "in_channels out_channels kernel_size stride=1 padding=0 output_padding=0 groups=1 bias=True dilation=1"
)
MEAN = "kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True"
LARGEST = "kernel_size stride=None padding=0 dilation=1 return_indices=False ceil_mode=False"
NORMALISED = (
    "num_features eps=1e-05 momentum=0.1 affine=True track_running_stats=True training=False bias=True"
)
CHOSEN = "weighted=False ignore_index=-100 reduction=mean"
NONLINEAR = {
    "ReLU": "",
    "LeakyReLU": "negative_slope=0.01",
    "Sigmoid": "",
    "Tanh": "",
    "Softplus": "beta=1.0 threshold=20.0",
    "GELU": "approximate=none",
    "SiLU": "",
    "ELU": "alpha=1.0",
    "Identity": "",
    "Hardtanh": "min_val=-1.0 max_val=1.0",
    "Activation": "",
    "Softmax": "dim=None",
    "LogSoftmax": "dim=None",
    "CrossEntropyLoss": f"{CHOSEN} label_smoothing=0.0 target=indices",
    "NLLLoss": CHOSEN,
    "BCELoss": "reduction=mean weighted=False",
    "BCEWithLogitsLoss": "reduction=mean weighted=False positive_weighted=False",
    "MSELoss": "reduction=mean",
    "L2Penalty": "weight_decay",
    **{f"BatchNorm{r}d": NORMALISED for r in (1, 2, 3)},
    "Dropout": "p=0.5 training=False",
    "Mul": "",
    **{f"{m}Pool{r}d": LARGEST for m in ("Max", "Min") for r in (1, 2, 3)},
    **{f"AdaptiveMaxPool{r}d": "output_size return_indices=False" for r in (1, 2, 3)},
    **{f"MaxUnpool{r}d": "kernel_size stride=None padding=0 output_size=None" for r in (1, 2, 3)},
    **{f"LPPool{r}d": "norm_type kernel_size stride=None ceil_mode=False" for r in (1, 2, 3)},
}
"""Layers of selection, functions, statistics and losses: read by the same rules."""

SIGNATURES = {
    **NONLINEAR,
    **{f"Conv{r}d": CONV for r in (1, 2, 3)},
    **{f"ConvTranspose{r}d": TRANSPOSED for r in (1, 2, 3)},
    **{f"AvgPool{r}d": MEAN + " divisor_override=None" * (r > 1) for r in (1, 2, 3)},
    **{f"AdaptiveAvgPool{r}d": "output_size" for r in (1, 2, 3)},
    **{
        f"{m}Pad{r}d": "padding" for m in ("Zero", "Reflection", "Replication", "Circular") for r in (1, 2, 3)
    },
    "WeightedPool2d": "kernel_size stride=None padding=0",
    "Downsample": "factor",
    "UpsampleZeros": "factor output_padding=0",
    "Upsample": "size=None scale_factor=None mode=nearest align_corners=None recompute_scale_factor=None",
    "PixelShuffle": "upscale_factor",
    "PixelUnshuffle": "downscale_factor",
    "Linear": "in_features out_features bias=True",
    "Flatten": "start_dim=1 end_dim=-1",
    "Bias": "num_features",
    "Add": "",
    "Concat": "dim=1 other_shape=None",
}
"""PyTorch's positional order and defaults; a default that is no literal is a word."""


def literal(node: ast.expr) -> Any:
    """A literal, lists as tuples, a bare word as the word."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(literal(n) for n in node.elts)
    return ast.literal_eval(node)


def read(text: str) -> tuple[str, dict[str, Any]]:
    """The name and every argument (defaults filled in) of a layer text."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    signature = [word.partition("=") for word in SIGNATURES[call.func.id].split()]
    found = {n: literal(ast.parse(d, mode="eval").body) for n, equals, d in signature if equals}
    found |= {n: literal(node) for (n, _, _), node in zip(signature, call.args, strict=False)}
    found |= {str(k.arg): literal(k.value) for k in call.keywords}
    assert len(call.args) <= len(signature) and found.keys() == {n for n, _, _ in signature}, text
    return call.func.id, found


@dataclass(frozen=True)
class Case:
    """A layer text at an input shape."""

    text: str
    shape: Shape

    @cached_property
    def kind(self) -> str:
        return read(self.text)[0]

    @cached_property
    def arguments(self) -> dict[str, Any]:
        return read(self.text)[1]

    @property
    def family(self) -> str:
        """The name without its number of axes."""
        return self.kind[:-2] if self.kind[-2].isdigit() else self.kind

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        if self.kind != self.family:
            return int(self.kind[-2])
        return 2 if self.kind.startswith("Pixel") else len(self.shape) - 2

    @property
    def lead(self) -> bool:
        """Whether the layer knows an unbatched form and the shape is one."""
        return self.kind != self.family and len(self.shape) == self.rank + 1

    def per_axis(self, name: str, default: Any = None) -> tuple[Any, ...]:
        """An argument as one value an axis."""
        value = self.arguments[name]
        value = default if value is None else value
        return value if isinstance(value, tuple) else (value,) * self.rank

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Padding before and after each spatial axis, the first axis first."""
        value = self.arguments["padding"]
        if self.family.endswith("Pad"):
            flat = value if isinstance(value, tuple) else (value,) * (2 * self.rank)
            return tuple(zip(flat[-2::-2], flat[::-2], strict=True))
        if isinstance(value, str):
            axes = zip(self.per_axis("dilation"), self.per_axis("kernel_size"), strict=True)
            reach = [d * (k - 1) for d, k in axes]
            said = {"valid": [(0, 0) for _ in reach], "full": [(e, e) for e in reach]}
            return tuple(said.get(value, [(e // 2, e - e // 2) for e in reach]))
        return tuple(p if isinstance(p, tuple) else (p, p) for p in self.per_axis("padding"))

    @property
    def other_shape(self) -> Shape:
        return self.arguments.get("other_shape") or self.shape

    @property
    def operands(self) -> dict[str, Shape]:
        """The user's operands and their shapes, the input first."""
        a, found = self.arguments, {"input": self.shape}
        if self.kind in ("Add", "Concat"):
            return found | {"other": self.other_shape}
        if self.kind == "Bias":
            return found | {"bias": (a["num_features"],)}
        if self.kind == "WeightedPool2d":
            return found | {"weight": self.per_axis("kernel_size")}
        if self.kind == "Linear":
            found["weight"], width = (a["out_features"], a["in_features"]), a["out_features"]
        elif self.kind.startswith("Conv"):
            into, out, groups, width = a["in_channels"], a["out_channels"], a["groups"], a["out_channels"]
            first = (into, out // groups) if "Transpose" in self.kind else (out, into // groups)
            found["weight"] = (*first, *self.per_axis("kernel_size"))
        else:
            return found
        return found | ({"bias": (width,)} if a["bias"] else {})

    def hashed(self) -> int:
        return int(sha256(f"{self.text} {self.shape}".encode()).hexdigest()[:8], 16)

    def __str__(self) -> str:
        return f"{self.text} at {','.join(map(str, self.shape))}"
