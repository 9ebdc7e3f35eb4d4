"""The functions of the element headers as PyTorch has them: values, and derivatives by its autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def peers() -> dict[str, Callable[..., Any]]:
    """By name a function of a tensor and the parameters; for `<name>_prime` the derivative is taken of it."""
    import torch
    from torch.nn import functional as F

    def root(x: Any, p: float) -> Any:
        return (torch.sign(x) * torch.relu(torch.abs(x))).pow(1 / p)

    return {
        "relu": torch.relu,
        "leaky_relu": F.leaky_relu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "softplus": F.softplus,
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "silu": F.silu,
        "elu": F.elu,
        "hardtanh": F.hardtanh,
        "power": torch.pow,
        "root": root,
        "exp": torch.exp,
        "log": torch.log,
        "recip": torch.reciprocal,
        "rsqrt": torch.rsqrt,
        "log_sigmoid": F.logsigmoid,
        "log_clamped": lambda x: torch.log(x).clamp_min(-100),
        "log_rest_clamped": lambda x: torch.log1p(-x).clamp_min(-100),
    }


def value(name: str, x: Any, parameters: tuple[float, ...]) -> Any:
    """PyTorch's value of the function, or of the derivative where the name ends in _prime, as an array."""
    import torch

    argument = torch.from_numpy(x.copy())
    if not name.endswith("_prime"):
        return peers()[name](argument, *parameters).numpy()
    argument.requires_grad_()
    result = peers()[name.removesuffix("_prime")](argument, *parameters)
    result.backward(torch.ones_like(result))
    return argument.grad.numpy()
