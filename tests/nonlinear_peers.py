"""The non-linear cases by the plain loops, from their text: results and gradients, each with its error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import plain_nonlinear as plain
import plain_selecting as select
import taped as t
from layer_text import Case
from nonlinear_given import Array, fixed, operands, shares_given, tracked, unpooled_sides
from taped import Ball


def plain_results(case: Case, given: Mapping[str, Array]) -> dict[str, Array]:
    """Every result: the output, new running statistics, places of the largest entries."""
    kind, image = case.family, given["input"]
    if kind.endswith("Loss"):
        return {"output": _plain_loss(case, given)}
    if kind == "BatchNorm":
        return _plain_norm(case, given)
    if "Pool" in kind or kind == "MaxUnpool":
        found = _plain_pool(case, image[None] if case.lead else image, given)
        return {n: v[0] if case.lead else v for n, v in found.items()}
    if kind == "Dropout":
        if not case.arguments["training"]:
            return {"output": image}
        return {"output": plain.dropout(image, given["mask"], plain.decimal(case.arguments["p"]))}
    if kind == "Mul":
        return {"output": plain.each(lambda x, y: x * y, image, given["other"])}
    if kind == "L2Penalty":
        half = t.constant_of(plain.decimal(case.arguments["weight_decay"]) / 2)
        return {"output": np.array(half * t.total(x * x for x in image.reshape(-1)), object)}
    if kind in ("Softmax", "LogSoftmax"):
        rows = plain.softmax if kind == "Softmax" else plain.log_softmax
        return {"output": rows(image, case.arguments["dim"])}
    return {"output": _plain_function(case, image)}


def _plain_function(case: Case, image: Array) -> Array:
    kind = case.family
    numbers = [plain.decimal(v) for v in case.arguments.values() if not isinstance(v, str)]
    named = {n: plain.decimal(v) for n, v in case.arguments.items() if not isinstance(v, str)}
    functions = {
        "ReLU": plain.relu,
        "LeakyReLU": lambda x: plain.leaky_relu(x, *numbers),
        "Sigmoid": plain.sigmoid,
        "Tanh": t.tanh,
        "Softplus": lambda x: plain.softplus(x, **named),
        "GELU": plain.gelu_tanh if case.arguments.get("approximate") == "tanh" else plain.gelu,
        "SiLU": plain.silu,
        "ELU": lambda x: plain.elu(x, *numbers),
        "Hardtanh": lambda x: plain.hardtanh(x, named["min_val"], named["max_val"]),
        "Identity": lambda x: x,
    }
    return plain.each(functions[kind], image)


def _plain_loss(case: Case, given: Mapping[str, Array]) -> Array:
    kind, a, x, y = case.family, case.arguments, given["input"], given["target"]
    if kind in ("MSELoss", "BCELoss", "BCEWithLogitsLoss"):
        functions = {"MSELoss": plain.squared_error, "BCELoss": plain.binary_cross_entropy}
        losses = plain.each(functions[kind], x, y) if kind in functions else _plain_logits(given)
        if a.get("weighted"):
            losses = plain.each(lambda loss, w: loss * w, losses, given["weight"])
        return plain.reduced(losses, plain.unweighted(losses), a["reduction"])
    weight = given.get("class_weight")
    if kind == "CrossEntropyLoss":
        smoothing = plain.decimal(a["label_smoothing"])
        x = plain.log_softmax(x, 0 if x.ndim == 1 else 1)
        if shares_given(case):
            return plain.reduced(*plain.expected_log_likelihood(x, y, weight, smoothing), a["reduction"])
        found = plain.negative_log_likelihood(x, y, weight, a["ignore_index"], smoothing)
    else:
        found = plain.negative_log_likelihood(x, y, weight, a["ignore_index"])
    return plain.reduced(*found, a["reduction"])


def _plain_logits(given: Mapping[str, Array]) -> Array:
    x, weight = given["input"], given.get("pos_weight", np.array([None]))
    wide = np.broadcast_to(weight, x.shape)
    return plain.each(plain.binary_cross_entropy_with_logits, x, given["target"], wide)


def _plain_norm(case: Case, given: Mapping[str, Array]) -> dict[str, Array]:
    a = case.arguments
    own = not a["training"] and tracked(case)
    mean, var = (given["running_mean"], given["running_var"]) if own else (None, None)
    output, means, spreads = plain.batch_norm(
        given["input"], given.get("weight"), given.get("bias"), plain.decimal(a["eps"]), mean, var
    )
    if not (a["training"] and tracked(case)):
        return {"output": output}
    momentum = plain.decimal(a["momentum"])
    return {
        "output": output,
        "new_running_mean": plain.blended(given["running_mean"], means, momentum),
        "new_running_var": plain.blended(given["running_var"], spreads, momentum),
    }


def windows(case: Case) -> list[list[list[int]]]:
    """The windows of a selecting pool, a list an axis."""
    lengths, a = case.shape[-case.rank :], case.arguments
    if case.family == "AdaptiveMaxPool":
        size = a["output_size"] if isinstance(a["output_size"], tuple) else (a["output_size"],) * case.rank
        return [select.adapted(n, n if m is None else m) for n, m in zip(lengths, size, strict=True)]
    kernel = case.per_axis("kernel_size")
    numbers = kernel, case.per_axis("stride", kernel), case.per_axis("padding"), case.per_axis("dilation")
    return [select.sliding(*axis, a["ceil_mode"]) for axis in zip(lengths, *numbers, strict=True)]


def _plain_pool(case: Case, image: Array, given: Mapping[str, Array]) -> dict[str, Array]:
    a = case.arguments
    if case.family == "MaxUnpool":
        indices = given["indices"][None] if case.lead else given["indices"]
        return {"output": select.unpool(image, indices, unpooled_sides(case))}
    if case.family == "LPPool":
        kernel = case.per_axis("kernel_size")
        p, stride = plain.decimal(a["norm_type"]), case.per_axis("stride", kernel)
        return {"output": select.lp_pool(image, p, kernel, stride, a["ceil_mode"])}
    better = select.smaller if case.family == "MinPool" else select.larger
    output, indices = select.chosen(image, windows(case), better)
    return {"output": output, "indices": indices}


def on_tape(given: Mapping[str, Array]) -> dict[str, Array]:
    """Floating operands as numbers that keep their errors and derivatives; whole numbers as they are."""
    return {n: v if v.dtype.kind == "i" else plain.each(t.taped, v) for n, v in given.items()}


@cache
def taped_results(case: Case) -> tuple[dict[str, Array], dict[str, Array]]:
    """The case's operands, and the results that remember them."""
    given = on_tape(operands(case))
    return given, plain_results(case, given)


@cache
def grad_output(case: Case) -> Array:
    """Random, in the shape of the output."""
    rng = np.random.default_rng(case.hashed() + 1)
    return np.asarray(rng.standard_normal(taped_results(case)[1]["output"].shape))


@cache
def plain_all(case: Case) -> dict[str, Array]:
    """Results by their names and gradients of sum(grad_output * output) by their operand's, as balls."""
    given, results = taped_results(case)
    sent = grad_output(case).reshape(-1).tolist()
    pairs = list(zip(results["output"].reshape(-1).tolist(), sent, strict=True))
    names = [n for n, v in given.items() if v.dtype == object and n not in fixed(case)]
    found = {n: plain.each(lambda x: t.taped(x).ball, v) for n, v in results.items() if n != "indices"}
    gradients = t.gradients(pairs, [x for n in names for x in given[n].reshape(-1).tolist()])
    for name in names:
        count = given[name].size
        balls, gradients = gradients[:count], gradients[count:]
        found[name] = np.array([*balls, None], object)[:-1].reshape(given[name].shape)
    return found | ({"indices": results["indices"]} if "indices" in results else {})


def values(balls: Array) -> Array:
    return np.array([float(b.value) for b in balls.reshape(-1)]).reshape(balls.shape)


def radii(balls: Array) -> Array:
    return np.array([b.radius for b in balls.reshape(-1)]).reshape(balls.shape)


def away(balls: Array, found: Array) -> str:
    """What entry lies outside of its ball, or nothing."""
    if balls.shape != found.shape:
        return f"shape {found.shape}, not {balls.shape}"
    for where in np.ndindex(balls.shape):
        ball: Ball = balls[where]
        off = abs(t.Real(found[where]) - ball.value)
        if not off <= ball.radius:
            said = f"entry {where}: {found[where]!r}, not {float(ball.value)!r}"
            return f"{said}; off {float(off)}, allowed {ball.radius}"
    return ""
