"""Owns the cases: for every part of every theorem between layers its sizes, and both sides in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from between_fast import FAST
from between_torch import (
    F,
    Sized,
    Sizes,
    Tensors,
    back_then_down,
    backs_summed,
    constant,
    conv,
    conv_grad,
    each_pair,
    flipped,
    grad,
    insert,
    maps_summed,
    merged,
    one_by_one,
    padded,
    pooled,
    sent,
    shares_upsampled,
    strided_grad,
    strided_right,
    table_product,
    torch,
    transposed,
    upsampled_conv,
)  # fmt: skip

from derive import AvgPool2d, Conv2d, ConvTranspose2d, Downsample, Upsample, UpsampleZeros

CONV = Conv2d(4, 6, (3, 2), stride=(2, 3), padding=((1, 0), (0, 2)), dilation=(1, 2), groups=2)
PLAIN = Conv2d(4, 6, (3, 2), padding=((1, 0), (0, 1)), dilation=(1, 2), groups=2)
ONES = Conv2d(4, 6, (3, 2), padding=((1, 2), (0, 1)), groups=2)
TRANSPOSED = ConvTranspose2d(4, 6, (3, 2), stride=(3, 2), padding=1, output_padding=(2, 1), groups=2)
POOL = AvgPool2d((3, 2), stride=(2, 3), padding=1)
APART = AvgPool2d((3, 2))
CONV_AT, PLAIN_AT, ONES_AT = (x.sizes((2, 4, 6, 7)) for x in (CONV, PLAIN, ONES))
TRANSPOSED_AT = TRANSPOSED.sizes((2, 4, 3, 2))
FRACTION_AT = {
    "N": 2, "groups": 2, "C": 2, "K": 1, "H": 3, "W": 2, "s_h": 2, "s_w": 3, "r_h": 1, "r_w": 0,
    "k_h": 3, "k_w": 2, "d_h": 1, "d_w": 2, "p_h": 1, "p_w": 2, "q_h": 1, "q_w": 1, "H_out": 6, "W_out": 5,
}  # fmt: skip
MOVING_AT = FRACTION_AT | {"t_h": 2, "t_w": 3, "u_h": 1, "u_w": 1, "H_out": 3, "W_out": 2}
STACK_AT = {
    "N": 2, "groups": 1, "C": 2, "M": 3, "K": 2, "H": 5, "W": 4, "k_h": 3, "k_w": 2, "l_h": 2, "l_w": 3,
    "p_h": 1, "q_h": 0, "p_w": 2, "q_w": 1, "H_out": 3, "W_out": 4,
}  # fmt: skip
BILINEAR = Upsample(size=(5, 3), mode="bilinear", align_corners=True)


Side = Callable[[Tensors, Sized], Any]
CASES: dict[tuple[str, str], tuple[Sizes, Side, Side]] = {
    ("strided-convolution", "output"): (
        CONV_AT, lambda t, at: conv(t["input"], t["weight"], at, None, t["bias"]), strided_right),
    ("strided-convolution", "input"): (CONV_AT, conv_grad("input"), strided_grad("input")),
    ("strided-convolution", "weight"): (CONV_AT, conv_grad("weight"), strided_grad("weight")),
    ("transposed-convolution", "output"): (
        TRANSPOSED_AT, lambda t, at: transposed(t["input"], t["weight"], at),
        lambda t, at: F.conv2d(
            padded(insert(t["input"], at.s, at.r), at.border), flipped(t["weight"], at.groups), None, 1, 0,
            at.d, at.groups)),
    ("transposed-convolution-gradient", "input"): (
        TRANSPOSED_AT,
        lambda t, at: grad(lambda x: transposed(x, t["weight"], at), t["input"], t["grad_output"]),
        lambda t, at: F.conv2d(t["grad_output"], t["weight"], None, at.s, at.p, at.d, at.groups)),
    ("convolution-input-gradient", "input"): (
        CONV_AT, conv_grad("input"),
        lambda t, at: sent(t["grad_output"], t["weight"], at, t["input"].shape[2:])),
    ("adjoint", "loss"): (
        CONV_AT, lambda t, at: (conv(t["input"], t["weight"], at) * t["grad_output"]).sum(),
        lambda t, at: (t["input"] * sent(t["grad_output"], t["weight"], at, t["input"].shape[2:])).sum()),
    ("gradient-is-a-convolution", "input"): (
        ONES_AT, lambda t, at: grad(lambda x: conv(x, t["weight"], at, 1), t["input"], t["grad_output"]),
        lambda t, at: each_pair(t["grad_output"], t["weight"], at.groups, True)[
            :, :, at.p[0] :, at.p[1] :][:, :, : t["input"].shape[2], : t["input"].shape[3]]),
    ("full-correlation", "input"): (
        PLAIN_AT, conv_grad("input"),
        lambda t, at: F.conv2d(
            padded(t["grad_output"], at.border,
                   tuple(d * (k - 1) - q for d, k, q in zip(at.d, at.k, at.q, strict=True))),  # type: ignore[arg-type]
            flipped(t["weight"], at.groups), None, 1, 0, at.d, at.groups)),
    ("fractional-stride", "output"): (
        FRACTION_AT, lambda t, at: upsampled_conv(t["input"], t["weight"], at),
        lambda t, at: sent(
            t["input"], flipped(t["weight"], at.groups),
            Sized(at.sizes | {"p_h": at.border[0], "p_w": at.border[1]}), t["grad_output"].shape[2:])),
    ("fractional-stride", "input"): (
        FRACTION_AT,
        lambda t, at: grad(lambda x: upsampled_conv(x, t["weight"], at), t["input"], t["grad_output"]),
        back_then_down),
    ("fractional-stride", "fractional"): (
        MOVING_AT, lambda t, at: upsampled_conv(t["input"], t["weight"], at, at.t),
        lambda t, at: sent(
            t["input"], flipped(t["weight"], at.groups),
            Sized(at.sizes | {"p_h": at.border[0], "p_w": at.border[1]}), (6, 5))[
            :, :, :: at.t[0], :: at.t[1]]),
    ("downsample-gradient", "input"): (
        Downsample((2, 3)).sizes((2, 2, 6, 6)),
        lambda t, at: grad(lambda x: x[:, :, :: at.s[0], :: at.s[1]], t["input"], t["grad_output"]),
        lambda t, at: insert(t["grad_output"], at.s, at.r)),
    ("upsample-gradient", "input"): (
        UpsampleZeros((2, 3), output_padding=1).sizes((2, 2, 3, 2)),
        lambda t, at: grad(lambda x: insert(x, at.s, at.r), t["input"], t["grad_output"]),
        lambda t, at: t["grad_output"][:, :, :: at.s[0], :: at.s[1]][:, :, :3, :2]),
    ("nearest-adjoint", "output"): (
        {"N": 2, "C": 2, "H": 3, "W": 2, "s_h": 2, "s_w": 3},
        lambda t, at: F.interpolate(t["input"], scale_factor=at.s, mode="nearest"),
        lambda t, at: F.conv_transpose2d(
            t["input"], torch.ones((2, 1, *at.s), dtype=torch.float64), None, at.s, groups=2)),
    ("nearest-adjoint", "input"): (
        {"N": 2, "C": 2, "H": 3, "W": 2, "s_h": 2, "s_w": 3},
        lambda t, at: grad(
            lambda x: F.interpolate(x, scale_factor=at.s, mode="nearest"), t["input"], t["grad_output"]),
        lambda t, at: F.avg_pool2d(t["grad_output"], at.s, divisor_override=1)),
    ("bilinear-adjoint", "input"): (
        BILINEAR.sizes((1, 2, 3, 2)),
        lambda t, at: grad(
            lambda x: F.interpolate(x, size=(5, 3), mode="bilinear", align_corners=True),
            t["input"], t["grad_output"]),
        table_product),
    ("mean-pooling", "output"): (
        POOL.sizes((2, 2, 5, 6)), lambda t, at: pooled(t["input"], t, at),
        lambda t, at: F.conv2d(t["input"], constant(t, at), None, at.s, at.p, groups=2)),
    ("mean-pooling-gradient", "input"): (
        POOL.sizes((2, 2, 5, 6)),
        lambda t, at: grad(lambda x: pooled(x, t, at), t["input"], t["grad_output"]),
        lambda t, at: F.conv_transpose2d(
            t["grad_output"], constant(t, at), None, at.s, at.p, at.r, groups=2)),
    ("mean-pooling-gradient", "separate"): (
        APART.sizes((2, 2, 7, 5)),
        lambda t, at: grad(lambda x: pooled(x, t, at), t["input"], t["grad_output"]), shares_upsampled),
    ("pointwise", "output"): (
        {"N": 2, "C": 3, "K": 2, "H": 3, "W": 2}, lambda t, at: one_by_one(t["input"], t["matrix"]),
        lambda t, at: (t["matrix"] @ t["input"].flatten(2)).unflatten(2, (3, 2))),
    ("pointwise", "input"): (
        {"N": 2, "C": 3, "K": 2, "H": 3, "W": 2},
        lambda t, at: grad(lambda x: one_by_one(x, t["matrix"]), t["input"], t["grad_output"]),
        lambda t, at: (t["matrix"].T @ t["grad_output"].flatten(2)).unflatten(2, (3, 2))),
    ("pointwise", "matrix"): (
        {"N": 2, "C": 3, "K": 2, "H": 3, "W": 2},
        lambda t, at: grad(lambda m: one_by_one(t["input"], m), t["matrix"], t["grad_output"]),
        lambda t, at: (t["grad_output"].flatten(2) @ t["input"].flatten(2).mT).sum(0)),
    ("flipped-kernel", "padded"): (
        ONES_AT, lambda t, at: conv(t["input"], t["filter"].flip(2, 3), at, 1),
        lambda t, at: each_pair(t["input"], t["filter"], at.groups)[
            :, :, at.k[0] - 1 - at.p[0] :, at.k[1] - 1 - at.p[1] :][
            :, :, : t["grad_output"].shape[2], : t["grad_output"].shape[3]]),
    ("flipped-kernel", "full"): (
        {"N": 2, "groups": 2, "C": 2, "K": 1, "H": 3, "W": 4, "k_h": 3, "k_w": 2},
        lambda t, at: F.conv2d(t["input"], t["filter"].flip(2, 3), None, 1, (2, 1), 1, at.groups),
        lambda t, at: each_pair(t["input"], t["filter"], at.groups)),
    ("stacked", "output"): (
        STACK_AT,
        lambda t, at: F.conv2d(F.conv2d(padded(t["input"], at.p, at.q), t["first"]), t["second"]), merged),
    ("multichannel", "output"): (
        CONV_AT, lambda t, at: conv(t["input"], t["weight"], at), maps_summed),
    ("multichannel", "input"): (CONV_AT, conv_grad("input"), backs_summed("input")),
    ("multichannel", "weight"): (CONV_AT, conv_grad("weight"), backs_summed("weight")),
    ("padding", "output"): (
        CONV_AT, lambda t, at: conv(t["input"], t["weight"], at),
        lambda t, at: F.conv2d(
            torch.nn.ZeroPad2d((0, 2, 1, 0))(t["input"]), t["weight"], None, at.s, 0, at.d, at.groups)),
    ("padding", "input"): (
        CONV_AT, conv_grad("input"),
        lambda t, at: grad(
            lambda z: F.conv2d(z, t["weight"], None, at.s, 0, at.d, at.groups),
            padded(t["input"], at.p, at.q), t["grad_output"])[:, :, at.p[0] :, at.p[1] :][:, :, :6, :7]),
}  # fmt: skip
CASES |= FAST
