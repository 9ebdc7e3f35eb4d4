"""The same layer twice, from its text: by the plain loops on any numbers, and by PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import plain_layers as plain
from layer_text import Case
from numpy.typing import NDArray

Array = NDArray[Any]
FUNCTIONAL = {"Zero": "constant", "Reflection": "reflect", "Replication": "replicate", "Circular": "circular"}


def plain_forward(case: Case, given: Mapping[str, Array]) -> Array:
    """The output by nested loops; an unbatched input gets a batch of one on the way."""
    if not case.lead:
        return _plain(case, given["input"], given)
    return _plain(case, given["input"][None], given)[0]


def _plain(case: Case, image: Array, given: Mapping[str, Array]) -> Array:
    kind, a, axis = case.family, case.arguments, case.per_axis
    match kind:
        case "Conv":
            numbers = axis("stride"), case.pairs, axis("dilation"), a["groups"], a["padding_mode"]
            return plain.conv(image, given["weight"], given.get("bias"), *numbers)
        case "ConvTranspose":
            numbers = axis("stride"), case.pairs, axis("output_padding"), a["groups"], axis("dilation")
            return plain.conv_transpose(image, given["weight"], given.get("bias"), *numbers)
        case "AvgPool":
            kernel = axis("kernel_size")
            counted = a["ceil_mode"], a["count_include_pad"], a.get("divisor_override")
            return plain.mean_pool(image, kernel, axis("stride", kernel), case.pairs, *counted)
        case "WeightedPool":
            stride = axis("stride", axis("kernel_size"))
            return plain.weighted_pool(image, given["weight"], stride, case.pairs)
        case "AdaptiveAvgPool":
            return plain.adaptive_mean_pool(image, axis("output_size"))
        case "Upsample":
            return plain.resize(image, weights(case))
    if kind.endswith("Pad"):
        modes = {"Zero": "zeros", "Reflection": "reflect", "Replication": "replicate", "Circular": "circular"}
        return plain.pad(image, case.pairs, modes[kind[:-3]])
    simple = {
        "Downsample": lambda: plain.downsample(image, axis("factor")),
        "UpsampleZeros": lambda: plain.upsample_zeros(image, axis("factor"), axis("output_padding")),
        "PixelShuffle": lambda: plain.pixel_shuffle(image, a["upscale_factor"]),
        "PixelUnshuffle": lambda: plain.pixel_unshuffle(image, a["downscale_factor"]),
        "Linear": lambda: plain.linear(image, given["weight"], given.get("bias")),
        "Flatten": lambda: plain.flatten(image, a["start_dim"], a["end_dim"]),
        "Bias": lambda: plain.add_bias(image, given["bias"]),
        "Add": lambda: plain.add(image, given["other"]),
        "Concat": lambda: plain.concat(image, given["other"], a["dim"]),
    }
    return simple[kind]()


def weights(case: Case) -> list[plain.Weights]:
    """The weights of a resampling on each axis."""
    a = case.arguments
    settings = bool(a["recompute_scale_factor"]), bool(a["align_corners"]), a["mode"] == "nearest"
    axes = zip(case.shape[2:], case.per_axis("size"), case.per_axis("scale_factor"), strict=True)
    return [plain.axis_weights(n, size, scale, *settings) for n, size, scale in axes]


def plain_gradient(case: Case, name: str, given: dict[str, Array]) -> Array:
    """d sum(grad_output * output)/d operand, exactly."""
    operands = {n: v for n, v in given.items() if n != "grad_output"}
    return plain.step_gradient(partial(plain_forward, case), name, given["grad_output"], operands)


def torch_forward(case: Case, given: Mapping[str, Any]) -> Any:
    """The output by torch.nn.functional."""
    from torch.nn import functional as F

    kind, rank, a = case.family, case.rank, case.arguments
    axis, x = case.per_axis, given["input"]
    if kind in ("Conv", "ConvTranspose", "WeightedPool", "Linear"):
        return _torch_weighted(case, given)
    if kind.endswith("Pad"):
        return _torch_pad(case, x)
    if kind == "AvgPool":
        return _torch_mean(case, x)
    functional = {
        "AdaptiveAvgPool": lambda: getattr(F, f"adaptive_avg_pool{rank}d")(x, a["output_size"]),
        "Upsample": lambda: F.interpolate(x, **a),
        "Downsample": lambda: x[(..., *(slice(None, None, f) for f in axis("factor")))],
        "UpsampleZeros": lambda: _torch_spread(case, x),
        "PixelShuffle": lambda: F.pixel_shuffle(x, a["upscale_factor"]),
        "PixelUnshuffle": lambda: F.pixel_unshuffle(x, a["downscale_factor"]),
        "Flatten": lambda: x.flatten(a["start_dim"], a["end_dim"]),
        "Bias": lambda: x + given["bias"].reshape(-1, *(1,) * (x.ndim - 2)),
        "Add": lambda: x + given["other"],
        "Concat": lambda: _torch_concat(x, given["other"], a["dim"]),
    }
    return functional[kind]()


def _torch_mean(case: Case, x: Any) -> Any:
    from torch.nn import functional as F

    a, padding = case.arguments, case.arguments["padding"]
    if any(p != q for p, q in case.pairs):
        # zeros by hand count as entries, and PyTorch's overhanging windows would count them too
        assert a["count_include_pad"] and not a["ceil_mode"]
        x, padding = F.pad(x, _flat(case)), 0
    numbers = a["kernel_size"], a["stride"], padding, a["ceil_mode"], a["count_include_pad"]
    last = (a["divisor_override"],) if case.rank > 1 else ()
    return getattr(F, f"avg_pool{case.rank}d")(x, *numbers, *last)


def _torch_weighted(case: Case, given: Mapping[str, Any]) -> Any:
    from torch.nn import functional as F

    rank, a, x, w, b = case.rank, case.arguments, given["input"], given["weight"], given.get("bias")
    match case.family:
        case "Linear":
            return F.linear(x, w, b)
        case "WeightedPool":
            images = F.pad(x, _flat(case)).flatten(0, -3)[:, None]
            stride = a["kernel_size"] if a["stride"] is None else a["stride"]
            found = F.conv2d(images, w[None, None], None, stride)
            return found.reshape(*x.shape[:-2], *found.shape[-2:])
        case "ConvTranspose":
            return _torch_transposed(case, x, w, b)
    own = a["padding"]  # PyTorch's own padding where it has one
    if a["padding_mode"] != "zeros" or own == "full" or any(p != q for p, q in case.pairs if own != "same"):
        mode, own = a["padding_mode"].replace("zeros", "constant"), 0
        x = F.pad(x, _flat(case), mode) if any(map(any, case.pairs)) else x
    own = tuple(p for p, _ in case.pairs) if isinstance(own, tuple) else own
    return getattr(F, f"conv{rank}d")(x, w, b, a["stride"], own, a["dilation"], a["groups"])


def _torch_transposed(case: Case, x: Any, w: Any, b: Any) -> Any:
    """Padding of one side is PyTorch's full result, cropped."""
    from torch.nn import functional as F

    a, rank = case.arguments, case.rank
    uneven = any(p != q for p, q in case.pairs)
    numbers = 0 if uneven else a["padding"], a["output_padding"], a["groups"], a["dilation"]
    found = getattr(F, f"conv_transpose{rank}d")(x, w, b, a["stride"], *numbers)
    if uneven:
        axes = zip(case.pairs, found.shape[-rank:], strict=True)
        found = found[(..., *(slice(p, n - q) for (p, q), n in axes))]
    return found


def _flat(case: Case) -> list[int]:
    """Padding as torch.nn.functional.pad takes it: the last axis first."""
    return [side for pair in reversed(case.pairs) for side in pair]


def _torch_pad(case: Case, x: Any) -> Any:
    from torch.nn import functional as F

    return F.pad(x, _flat(case), FUNCTIONAL[case.family[:-3]])


def _torch_spread(case: Case, x: Any) -> Any:
    factor, extra = case.per_axis("factor"), case.per_axis("output_padding")
    lengths = [f * (n - 1) + 1 + e for n, f, e in zip(x.shape[2:], factor, extra, strict=True)]
    output = x.new_zeros((*x.shape[:2], *lengths))
    axes = zip(x.shape[2:], factor, strict=True)
    output[(..., *(slice(0, f * (n - 1) + 1, f) for n, f in axes))] = x
    return output


def _torch_concat(one: Any, two: Any, dim: int) -> Any:
    import torch

    return torch.cat((one, two), dim)


def torch_gradients(case: Case, given: Mapping[str, Array]) -> dict[str, Array]:
    """PyTorch's output and the gradient of sum(grad_output * output) by every operand, in float64."""
    import torch

    tensors = {n: torch.tensor(v.astype(np.float64), requires_grad=True) for n, v in given.items()}
    output = torch_forward(case, tensors)
    output.backward(tensors["grad_output"].detach())
    found = {n: t.grad.numpy() for n, t in tensors.items() if n != "grad_output"}
    return {"output": output.detach().numpy(), **found}


def nearest_differs(case: Case) -> bool:
    """Whether PyTorch's gradient of this nearest resampling is not that of its own output.

    Its backward copies entries where the length stays, and doubles them where the length doubles, even
    where a fractional scale puts floor(o / scale) elsewhere.
    """
    if case.kind != "Upsample" or case.arguments["mode"] != "nearest":
        return False
    for n, rows in zip(case.shape[2:], weights(case), strict=True):
        read = [row[0][0] for row in rows]
        step = {n: 1, 2 * n: 2}.get(len(rows))
        if step and read != [o // step for o in range(len(rows))]:
            return True
    return False
