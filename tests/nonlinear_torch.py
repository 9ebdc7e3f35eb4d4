"""The non-linear cases by PyTorch in float64: results, and gradients by autograd."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from layer_text import Case
from nonlinear_given import Array, fixed, operands, tracked
from nonlinear_peers import grad_output


def torch_call(case: Case, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every result by torch.nn.functional."""
    import torch

    kind, rank, a, x = case.family, case.rank, case.arguments, given["input"]
    F = torch.nn.functional
    if kind.endswith("Loss"):
        return {"output": _torch_loss(case, given)}
    if kind == "BatchNorm":
        return _torch_norm(case, given)
    if kind in ("MaxPool", "MinPool", "AdaptiveMaxPool"):
        return _torch_largest(case, x)
    if kind == "MaxUnpool":
        numbers = a["kernel_size"], a["stride"], a["padding"], a["output_size"]
        return {"output": getattr(F, f"max_unpool{rank}d")(x, given["indices"], *numbers)}
    if kind == "LPPool":
        return {
            "output": getattr(F, f"lp_pool{rank}d")(x, *a_tuple(a, "norm_type kernel_size stride ceil_mode"))
        }
    if kind in ("Softmax", "LogSoftmax"):
        return {"output": (F.softmax if kind == "Softmax" else F.log_softmax)(x, a["dim"])}
    other = {
        "Dropout": lambda: _torch_dropout(case, given),
        "Mul": lambda: x * given["other"],
        "L2Penalty": lambda: a["weight_decay"] / 2 * (x * x).sum(),
        "ReLU": lambda: F.relu(x),
        "LeakyReLU": lambda: F.leaky_relu(x, a["negative_slope"]),
        "Sigmoid": lambda: torch.sigmoid(x),
        "Tanh": lambda: torch.tanh(x),
        "Softplus": lambda: F.softplus(x, a["beta"], a["threshold"]),
        "GELU": lambda: F.gelu(x, approximate=a["approximate"]),
        "SiLU": lambda: F.silu(x),
        "ELU": lambda: F.elu(x, a["alpha"]),
        "Hardtanh": lambda: F.hardtanh(x, a["min_val"], a["max_val"]),
        "Identity": lambda: x.clone(),
    }
    return {"output": other[kind]()}


def a_tuple(arguments: Mapping[str, Any], names: str) -> list[Any]:
    return [arguments[n] for n in names.split()]


def _torch_dropout(case: Case, given: Mapping[str, Any]) -> Any:
    p, x = case.arguments["p"], given["input"]
    if not case.arguments["training"]:
        return x.clone()
    return x * (given["mask"] * 0 if p == 1 else given["mask"] / (1 - p))


def _torch_largest(case: Case, x: Any) -> dict[str, Any]:
    from torch.nn import functional as F

    a, sign = case.arguments, -1 if case.family == "MinPool" else 1
    if case.family == "AdaptiveMaxPool":
        found = getattr(F, f"adaptive_max_pool{case.rank}d")(x, a["output_size"], True)
    else:
        numbers = a_tuple(a, "kernel_size stride padding dilation ceil_mode")
        found = getattr(F, f"max_pool{case.rank}d")(sign * x, *numbers, return_indices=True)
    return {"output": sign * found[0], "indices": found[1]}


def _torch_loss(case: Case, given: Mapping[str, Any]) -> Any:
    from torch.nn import functional as F

    kind, a, x, y = case.family, case.arguments, given["input"], given["target"]
    match kind:
        case "MSELoss":
            return F.mse_loss(x, y, reduction=a["reduction"])
        case "BCELoss":
            return F.binary_cross_entropy(x, y, given.get("weight"), reduction=a["reduction"])
        case "BCEWithLogitsLoss":
            weights = {n: given.get(n) for n in ("weight", "pos_weight")}
            return F.binary_cross_entropy_with_logits(x, y, reduction=a["reduction"], **weights)
    numbers = {
        "reduction": a["reduction"],
        "weight": given.get("class_weight"),
        "ignore_index": a["ignore_index"],
    }
    if kind == "NLLLoss":
        return F.nll_loss(x, y, **numbers)
    return F.cross_entropy(x, y, **numbers, label_smoothing=a["label_smoothing"])


def _torch_norm(case: Case, given: Mapping[str, Any]) -> dict[str, Any]:
    from torch.nn import functional as F

    a = case.arguments
    statistics = [given[n].clone() if tracked(case) else None for n in ("running_mean", "running_var")]
    training = a["training"] or not tracked(case)
    affine = given.get("weight"), given.get("bias")
    output = F.batch_norm(given["input"], *statistics, *affine, training, a["momentum"], a["eps"])
    if not (a["training"] and tracked(case)):
        return {"output": output}
    return {"output": output, "new_running_mean": statistics[0], "new_running_var": statistics[1]}


def torch_tensors(case: Case, given: Mapping[str, Array]) -> dict[str, Any]:
    import torch

    found = {n: torch.tensor(v) for n, v in given.items()}
    for name, tensor in found.items():
        if tensor.is_floating_point() and name not in fixed(case):
            tensor.requires_grad_()
    return found


def torch_results(case: Case) -> dict[str, Array]:
    """PyTorch's results for the case's operands."""
    found = torch_call(case, torch_tensors(case, operands(case)))
    return {n: v.detach().numpy() for n, v in found.items()}


def torch_gradients(case: Case, given: Mapping[str, Array], sent: Array) -> dict[str, Array]:
    """PyTorch's results, and its gradients of sum(sent * output)."""
    import torch

    tensors = torch_tensors(case, given)
    results = torch_call(case, tensors)
    results["output"].backward(torch.tensor(sent))
    found = {n: v.detach().numpy() for n, v in results.items()}
    for name, tensor in tensors.items():
        if tensor.requires_grad:
            found[name] = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
    return found


@cache
def torch_all(case: Case) -> dict[str, Array]:
    return torch_gradients(case, operands(case), grad_output(case))
