"""Owns the ways in which somebody's backward pass is called, and how its results are told apart.

A function is bound by parameter names (PyTorch's, the courses' and the usual short ones); an object with
forward(A) and backward(dLdZ) is driven through its attributes. Numbers such as the stride are passed where
the function has a parameter for them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import LayerError

Arrays = dict[str, NDArray[Any]]
OPERANDS = {
    "grad_output": "grad_output grad_out dldz dldy dl_dz dl_dy dout d_out dz dy grad gradient upstream delta",
    "input": "input inputs x a image images a_prev inp x_in",
    "weight": "weight weights w filter filters f kernel kernels",
    "bias": "bias b biases",
}
NUMBERS = {
    "stride": "stride strides s",
    "padding": "padding pad paddings p",
    "dilation": "dilation dilations d",
    "groups": "groups group",
    "kernel_size": "kernel_size kernel_shape",
    "in_channels": "in_channels in_channel",
    "out_channels": "out_channels out_channel",
}
RESULTS = {
    "input": "input x grad_input grad_x dx dlda dl_da da dl_dx dldx din dinput d_input a_grad gx",
    "weight": "weight w grad_weight grad_w dw dldw dl_dw dweight dfilter dfilters df d_weight gw",
    "bias": "bias b grad_bias grad_b db dldb dl_db dbias d_bias gb",
}


def lookup(table: Mapping[str, str], title: str) -> str | None:
    return next((key for key, names in table.items() if title.lower() in names.split()), None)


@dataclass(frozen=True)
class Subject:
    """A user's backward pass, ready to be run.

    `varies` says which of stride, padding, dilation and groups can be changed from outside; `name` is for
    the report.
    """

    name: str
    run: Callable[[Arrays, Mapping[str, Any]], Any]
    varies: frozenset[str]


def subject(target: Any) -> Subject:
    """How to call a function, a course-style object, or a class of such objects.

    Raises LayerError where parameters cannot be told apart; the message lists the names understood.
    """
    title = getattr(target, "__name__", type(target).__name__)
    if hasattr(target, "backward") and hasattr(target, "forward"):
        return _of_class(target, title) if isinstance(target, type) else _of_object(target, title)
    if not callable(target):
        raise LayerError(
            "not a backward pass",
            where=title,
            expected="a function, or an object with forward and backward",
            got=type(target).__name__,
        )
    return _of_function(target, title)


def _of_function(target: Callable[..., Any], title: str) -> Subject:
    roles: dict[str, str] = {}
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        role = lookup(OPERANDS, parameter.name) or lookup(NUMBERS, parameter.name)
        if parameter.name.lower() == "cache":
            role = "cache"
        if role is not None:
            roles[parameter.name] = role
        elif parameter.default is parameter.empty:
            raise LayerError(
                "parameter not understood",
                where=f"{title}(... {parameter.name} ...)",
                expected="dout|dLdZ, x|A, w|filters, b, stride, padding|pad, dilation, groups, cache",
                got=parameter.name,
                mend="rename it, or wrap the function in one with these names",
            )
    if not set(roles.values()) & {*OPERANDS, "cache"}:
        raise LayerError(
            "no parameter for an operand",
            where=title,
            expected="dout|dLdZ, x|A, w|filters, b, or cache",
            got=str(inspect.signature(target)),
            mend="wrap it in a function with these names (a decorator wants functools.wraps)",
        )
    positional = [
        p.name for p in inspect.signature(target).parameters.values() if p.kind is p.POSITIONAL_ONLY
    ]

    def run(arrays: Arrays, numbers: Mapping[str, Any]) -> Any:
        known = {**arrays, **numbers, "cache": _cache(arrays, numbers)}
        values = {name: known.get(role) for name, role in roles.items()}
        return target(*(values.pop(n) for n in positional), **values)

    has_cache = "cache" in roles.values()
    own = frozenset({"stride", "padding", "dilation", "groups"} & set(roles.values()))
    return Subject(title, run, own | (frozenset({"stride", "padding"}) if has_cache else frozenset()))


def _cache(arrays: Arrays, numbers: Mapping[str, Any]) -> tuple[Any, ...]:
    """CS231n's cache: (x, w, b, conv_param)."""
    parameters = {"stride": numbers["stride"], "pad": numbers["padding"], **numbers}
    return arrays["input"], arrays["weight"], arrays.get("bias"), parameters


def _of_object(target: Any, title: str) -> Subject:
    return Subject(title, lambda arrays, numbers: _drive(deepcopy(target), arrays), frozenset())


def _of_class(target: type, title: str) -> Subject:
    names = [
        p
        for p in inspect.signature(target).parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    roles = {p.name: role for p in names if (role := lookup(NUMBERS, p.name)) is not None}
    unknown = [p.name for p in names if p.name not in roles and p.default is p.empty]
    if unknown:
        raise LayerError("parameter not understood", where=f"{title}.__init__", got=", ".join(unknown),
                         mend="pass an instance instead of the class")  # fmt: skip

    def run(arrays: Arrays, numbers: Mapping[str, Any]) -> Any:
        return _drive(target(**{name: numbers[role] for name, role in roles.items()}), arrays)

    return Subject(title, run, frozenset(roles.values()) & {"stride", "padding", "dilation", "groups"})


def _drive(target: Any, arrays: Arrays) -> dict[str, Any]:
    """forward(A), backward(dLdZ), then the gradients from the attributes."""
    owner = target
    for part in ("conv2d_stride1", "conv1d_stride1"):
        owner = getattr(owner, part, owner)
    for operand in ("weight", "bias"):
        places = [t for t, now in vars(owner).items() if lookup(OPERANDS, t) == operand and _holds(now)]
        if operand in arrays and not places:
            raise LayerError(
                f"no place for the {operand}",
                where=type(owner).__name__,
                expected=f"an attribute such as {'W' if operand == 'weight' else 'b'}, an array or None",
                got=", ".join(vars(owner)),
            )
        for title in places if operand in arrays else ():
            setattr(owner, title, arrays[operand])
    target.forward(arrays["input"])
    found = {"input": target.backward(arrays["grad_output"])}
    for title, value in vars(owner).items():
        role = lookup(RESULTS, title)
        if role in ("weight", "bias") and lookup(OPERANDS, title) is None and value is not None:
            found[_once(found, role, title)] = value
    return found


def _holds(value: Any) -> bool:
    """Whether an attribute can be an operand's place: an array, or not set yet (8 filters is neither)."""
    return value is None or (isinstance(value, np.ndarray) and value.ndim > 0)


def _once(found: Mapping[str, Any], role: str, title: str) -> str:
    """The role; LayerError where something was given for it already."""
    if role in found:
        raise LayerError("two results for one gradient", where=title, expected=f"one grad_{role}")
    return role


def results(returned: Any, shapes: Mapping[str, Sequence[int]], title: str) -> dict[str, Any]:
    """Which gradient is which: by dict keys, by order, or by shape; raises LayerError where unclear."""
    if isinstance(returned, Mapping):
        found: dict[str, Any] = {}
        for key, value in returned.items():
            role = lookup(RESULTS, str(key))
            if role in shapes:
                found[_once(found, str(role), str(key))] = value
    elif isinstance(returned, (tuple, list)):
        found = dict(zip(("input", "weight", "bias"), returned, strict=False))
    elif returned is None:
        found = {}
    else:
        fits = [key for key, shape in shapes.items() if tuple(np.shape(returned)) == tuple(shape)]
        hinted = [
            key
            for key in fits
            if any(word in title.lower() for word in RESULTS[key].split() if len(word) > 1)
        ]
        found = {(hinted or fits or ["input"])[0]: returned}
    found = {key: value for key, value in found.items() if value is not None and key in shapes}
    if not found:
        raise LayerError(
            "no gradient returned",
            where=title,
            expected="a dict by names, a tuple (grad_input, grad_weight, grad_bias), or one array",
            got=type(returned).__name__,
        )
    return found
