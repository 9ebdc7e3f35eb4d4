"""JAX on the CPU: one jitted function an operation, arrays on the device before, the call waited for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from codegen.bench.candidate import Candidate, Peer
from codegen.bench.plain import matrices
from codegen.bench.task import Array, NotOffered, Task

Forward = Callable[[dict[str, Any]], Any]


def jitted(task: Task, operands: dict[str, Array]) -> list[Candidate]:
    jax = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    given = {n: jax.device_put(a) for n, a in operands.items()}
    names = tuple(given)
    function = operation(task, jax)
    compiled = jax.jit(lambda *values: function(dict(zip(names, values, strict=True))))
    values = tuple(given.values())
    if task.kind in ("convolution", "linear") and task.operation == "forward":
        note = "weights are arguments"
    else:
        note = ""

    def call() -> Any:
        return jax.block_until_ready(compiled(*values))

    return [Candidate("jax", call, arrays, note=note)]


def arrays(found: Any) -> list[Array]:
    return [np.asarray(one) for one in (found if isinstance(found, tuple) else (found,))]


def operation(task: Task, jax: Any) -> Callable[[dict[str, Any]], Any]:
    """The operation as a function of the operands by name."""
    forward = forward_of(task, jax)
    if task.operation == "forward":
        return forward
    if task.kind == "cross entropy":
        return lambda d: jax.value_and_grad(lambda x: forward({**d, "input": x}))(d["input"])
    wrt = str(task.wrt)

    def gradient(d: dict[str, Any]) -> Any:
        return jax.vjp(lambda v: forward({**d, wrt: v}), d[wrt])[1](d["grad_output"])[0]

    return gradient


def forward_of(task: Task, jax: Any) -> Forward:
    if task.kind == "linear":
        return lambda d: d["input"] @ d["weight"].T + d.get("bias", 0)
    if task.kind == "cross entropy":
        return _cross_entropy(task, jax)
    if task.kind == "resampling":
        matrices(task)
        shape, mode = task.layer.output_shape(task.shape), getattr(task.layer, "mode", "")
        method = "nearest" if mode == "nearest" else "linear"
        return lambda d: jax.image.resize(d["input"], shape, method, antialias=False)
    if task.kind in ("max pooling", "mean pooling"):
        return _pooling(task, jax)
    return _convolution(task, jax)


def _convolution(task: Task, jax: Any) -> Forward:
    g, lax = task.geometry(), jax.lax
    letters = "DHW"[-len(g.kernel) :]
    pads = [(p, p) for p in g.padding]
    if task.kind == "convolution":
        order = ("NC" + letters, "OI" + letters, "NC" + letters)
        options = {"rhs_dilation": g.dilation, "feature_group_count": g.groups, "dimension_numbers": order}
        return _biased(lambda d: lax.conv_general_dilated(d["input"], d["weight"], g.stride, pads, **options))
    if g.groups != 1:
        raise NotOffered("transposed convolution in groups")
    order = ("NC" + letters, "IO" + letters, "NC" + letters)
    spans = [d * (k - 1) for d, k in zip(g.dilation, g.kernel, strict=True)]
    outer = [(s - p, s - p + e) for s, p, e in zip(spans, g.padding, g.extra, strict=True)]
    flat = tuple(range(2, 2 + len(g.kernel)))
    return _biased(
        lambda d: lax.conv_general_dilated(
            d["input"],
            jax.numpy.flip(d["weight"], flat),
            (1,) * len(g.kernel),
            outer,
            lhs_dilation=g.stride,
            rhs_dilation=g.dilation,
            dimension_numbers=order,
        )
    )


def _biased(function: Forward) -> Forward:
    def forward(d: dict[str, Any]) -> Any:
        found = function(d)
        return found + d["bias"].reshape(-1, *(1,) * (found.ndim - 2)) if "bias" in d else found

    return forward


def _pooling(task: Task, jax: Any) -> Forward:
    g, lax = task.geometry(), jax.lax
    window, strides = (1, 1, *g.kernel), (1, 1, *g.stride)
    pads = [(0, 0), (0, 0), *((p, p) for p in g.padding)]
    if task.kind == "max pooling":
        return lambda d: lax.reduce_window(d["input"], -np.inf, lax.max, window, strides, pads)
    share = float(1 / np.prod(g.kernel))
    return lambda d: lax.reduce_window(d["input"], 0.0, lax.add, window, strides, pads) * share


def _cross_entropy(task: Task, jax: Any) -> Forward:
    if repr(task.layer) != "CrossEntropyLoss()" or len(task.shape) != 2:
        raise NotOffered("cross entropy other than the mean over rows of class indices")

    def loss(d: dict[str, Any]) -> Any:
        logs = jax.nn.log_softmax(d["input"], 1)
        return -jax.numpy.take_along_axis(logs, d["target"][:, None], 1).mean()

    return loss


PEERS = (Peer("jax", ("jax",), jitted, "jax"),)
