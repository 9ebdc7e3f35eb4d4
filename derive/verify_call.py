"""Owns the ways in which somebody's function or object is called.

A function is bound by parameter names (PyTorch's, the courses' and the usual short ones); one without a
gradient among them is a forward pass. An object with forward(A) and backward(dLdZ) is driven through its
attributes. Numbers such as the stride are passed where there is a parameter for them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import LayerError
from derive.layers.base import Layer
from derive.verify_names import NUMBERS, OPERANDS, RESULTS, given, lookup, passed
from derive.verify_results import once

Arrays = dict[str, NDArray[Any]]
PASSED = ("input", "other", "target", "mask", "indices")
"""Operands that an object's forward is called with, in order."""
CLEARS = re.compile(r"(zero|clear|reset)_?grad(ient)?s?", re.IGNORECASE)
"""Methods by which an object is told to forget its gradients: one that has any may add to them."""
UNDERSTOOD = (
    "grad_output|dout|dLdZ, input|x|A, weight|w|filters, bias|b, other, target|y, cache, and the layer's "
    "numbers: "
)


@dataclass(frozen=True)
class Subject:
    """A user's function or object, ready to be run.

    Attributes:
        name: for the report.
        kind: "backward", "forward", "both" for an object with the two, or "loss" for a function of a loss,
            which may return its value, its gradients, or all of them.
        run: from operands and numbers to whatever it returns.
        varies: the layer's numbers that can be changed from outside.
        takes_grad: whether it is told the gradient of the output; that of a loss is 1 where it is not.
        session: starts calls that keep what an object holds from one to the next; None where `run` does.
    """

    name: str
    kind: str
    run: Callable[[Arrays, Mapping[str, Any]], Any]
    varies: frozenset[str]
    takes_grad: bool = True
    session: Callable[[], Callable[[Arrays, Mapping[str, Any]], Any]] | None = None


@dataclass(frozen=True)
class Roles:
    """What a parameter's name may stand for, for one layer."""

    operands: tuple[str, ...]
    numbers: tuple[str, ...]
    scalar: bool = False

    @staticmethod
    def of(layer: Layer, shape: tuple[int, ...]) -> Roles:
        names = tuple(o.name for o in layer.operands(shape) if given(o.name))
        return Roles(names, tuple(passed(layer, shape)), layer.output_shape(shape) == ())

    def role(self, title: str, taken: Collection[str]) -> str | None:
        """An operand, a number, "cache", or a bias that this layer happens not to have; each once."""
        if title.lower() == "cache":
            return "cache"
        operands = [name for name in self.operands if name not in taken]
        numbers = [name for name in self.numbers if name not in taken]
        missing = ["bias"] if "weight" in self.operands else []
        return next(
            (
                role
                for table, known in ((OPERANDS, operands), (NUMBERS, numbers), (OPERANDS, missing))
                if (role := lookup(table, title, known)) is not None
            ),
            None,
        )

    def number(self, title: str) -> str | None:
        return lookup(NUMBERS, title, self.numbers)


def subject(target: Any, layer: Layer, shape: tuple[int, ...]) -> Subject:
    """How to call a function, a course-style object, or a class of such objects.

    Raises LayerError where parameters cannot be told apart; the message lists the names understood.
    """
    title = getattr(target, "__name__", type(target).__name__)
    roles = Roles.of(layer, shape)
    if hasattr(target, "backward") and hasattr(target, "forward"):
        return _of_class(target, title, roles) if isinstance(target, type) else _of_object(target, title)
    if not callable(target):
        raise LayerError(
            "nothing to verify",
            where=title,
            expected="a function, or an object with forward and backward",
            got=type(target).__name__,
        )
    return _of_function(target, title, roles)


def _of_function(target: Callable[..., Any], title: str, roles: Roles) -> Subject:
    bound = _bound(target, title, roles)
    known = set(bound.values())
    if not known & {*roles.operands, "cache"}:
        raise LayerError(
            "no parameter for an operand",
            where=title,
            expected=UNDERSTOOD + ", ".join(roles.numbers),
            got=str(inspect.signature(target)),
            mend="wrap it in a function with these names (a decorator wants functools.wraps)",
        )
    positional = [p.name for p in _parameters(target) if p.kind is p.POSITIONAL_ONLY]

    def run(arrays: Arrays, numbers: Mapping[str, Any]) -> Any:
        given = {**arrays, **numbers, "cache": _cache(arrays, numbers)}
        values = {name: given.get(role) for name, role in bound.items()}
        return target(*(values.pop(n) for n in positional), **values)

    cached = {"stride", "padding", "kernel_size"} if "cache" in known else set()
    told = bool(known & {"grad_output", "cache"})
    kind = "backward" if told else "loss" if roles.scalar else "forward"
    return Subject(title, kind, run, frozenset((known | cached) & set(roles.numbers)), "grad_output" in known)


def _parameters(target: Callable[..., Any]) -> list[inspect.Parameter]:
    every = inspect.signature(target).parameters.values()
    return [p for p in every if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _bound(target: Callable[..., Any], title: str, roles: Roles) -> dict[str, str]:
    """Parameter -> role; each role once, the first parameter that asks for it."""
    found: dict[str, str] = {}
    for parameter in _parameters(target):
        role = roles.role(parameter.name, found.values())
        if role is not None:
            found[parameter.name] = role
        elif parameter.default is parameter.empty:
            raise LayerError(
                "parameter not understood",
                where=f"{title}(... {parameter.name} ...)",
                expected=UNDERSTOOD + ", ".join(roles.numbers),
                got=parameter.name,
                mend="rename it, or wrap the function in one with these names",
            )
    return found


def _cache(arrays: Arrays, numbers: Mapping[str, Any]) -> Any:
    """CS231n's cache: (x, w, b, conv_param), (x, w, b) if affine, (x, pool_param), x of a function."""
    if set(arrays) == {"grad_output", "input"} and set(numbers) <= {"input_shape", "output_shape"}:
        return arrays["input"]
    operands: tuple[Any, ...] = (arrays["input"],)
    if "weight" in arrays:
        operands += (arrays["weight"], arrays.get("bias"))
    operands += (arrays["other"],) if "other" in arrays else ()
    if "in_features" in numbers:
        return operands
    parameters = {"pad": numbers.get("padding"), **numbers}
    size = numbers.get("kernel_size")
    if size is not None:
        tall, wide = (size, size) if isinstance(size, int) else (size[0], size[-1])
        parameters |= {"pool_height": tall, "pool_width": wide}
    return (*operands, parameters)


def _of_object(target: Any, title: str) -> Subject:
    run = lambda arrays, numbers: _drive(deepcopy(target), arrays)  # noqa: E731
    session = lambda: _kept(lambda numbers: deepcopy(target))  # noqa: E731
    return Subject(title, "both", run, frozenset(), _takes_grad(target), session)


def _kept(made: Callable[[Mapping[str, Any]], Any]) -> Callable[[Arrays, Mapping[str, Any]], Any]:
    """Calls of one object, made at the first; between them it clears its gradients, where it knows how."""
    held: list[Any] = []

    def run(arrays: Arrays, numbers: Mapping[str, Any]) -> Any:
        if not held:
            held.append(made(numbers))
        else:
            clears = (getattr(held[0], title, None) for title in dir(held[0]) if CLEARS.fullmatch(title))
            for clear in filter(callable, clears):
                clear()
        return _drive(held[0], arrays)

    return run


def _takes_grad(target: Any) -> bool:
    """Whether backward has a parameter for the gradient of the output, besides itself."""
    names = [p for p in _parameters(target.backward) if p.name != "self"]
    return bool(names) or any(
        p.kind is p.VAR_POSITIONAL for p in inspect.signature(target.backward).parameters.values()
    )


def _of_class(target: type, title: str, roles: Roles) -> Subject:
    names = _parameters(target)
    bound = {p.name: role for p in names if (role := roles.number(p.name)) is not None}
    unknown = [p.name for p in names if p.name not in bound and p.default is p.empty]
    if unknown:
        raise LayerError(
            "parameter not understood",
            where=f"{title}.__init__",
            expected=", ".join(roles.numbers),
            got=", ".join(unknown),
            mend="pass an instance instead of the class",
        )

    def made(numbers: Mapping[str, Any]) -> Any:
        return target(**{name: numbers[role] for name, role in bound.items()})

    def run(arrays: Arrays, numbers: Mapping[str, Any]) -> Any:
        return _drive(made(numbers), arrays)

    varies = frozenset(bound.values())
    return Subject(title, "both", run, varies, _takes_grad(target), lambda: _kept(made))


def _drive(target: Any, arrays: Arrays) -> dict[str, Any]:
    """forward(A), backward(dLdZ), then the gradients from the attributes."""
    owner = _owner(target, arrays)
    for operand in ("weight", "bias"):
        places = _places(owner, operand)
        if operand in arrays and not places:
            raise LayerError(
                f"no place for the {operand}",
                where=type(owner).__name__,
                expected=f"an attribute such as {'W' if operand == 'weight' else 'b'}, an array or None",
                got=", ".join(vars(owner)) or "no attributes",
            )
        for title in places if operand in arrays else ():
            setattr(owner, title, _like(arrays[operand], getattr(owner, title)))
    returned = target.forward(*(arrays[name] for name in PASSED if name in arrays))
    found: dict[str, Any] = {} if returned is None else {"output": returned}
    back = target.backward(arrays["grad_output"]) if _takes_grad(target) else target.backward()
    pairs = zip(("input", "other"), back, strict=False) if isinstance(back, tuple) else [("input", back)]
    found |= dict(pairs)
    for title, value in vars(owner).items():
        role = lookup(RESULTS, title, ("weight", "bias"))
        if role in arrays and lookup(OPERANDS, title) is None and value is not None:
            found[once(found, str(role), title)] = _unlike(value, arrays[str(role)])
    return found


def _owner(target: Any, arrays: Arrays) -> Any:
    """The object that holds the weight: the target, or a layer inside it."""
    inner = [part for part in vars(target).values() if hasattr(part, "forward") and hasattr(part, "backward")]
    return next((o for o in (target, *inner) if "weight" in arrays and _places(o, "weight")), target)


def _places(owner: Any, operand: str) -> list[str]:
    names = ("grad_output", "input", "weight", "bias")
    return [t for t, now in vars(owner).items() if lookup(OPERANDS, t, names) == operand and _holds(now)]


def _holds(value: Any) -> bool:
    """Whether an attribute can be an operand's place: an array, or not set yet (8 filters is neither)."""
    return value is None or (isinstance(value, np.ndarray) and value.ndim > 0)


def _like(array: NDArray[Any], now: Any) -> NDArray[Any]:
    """An operand in the shape of what it replaces, where that differs by axes of one entry only."""
    if now is None or np.squeeze(now).shape != np.squeeze(array).shape:
        return array
    return array.reshape(now.shape)


def _unlike(value: Any, operand: NDArray[Any]) -> Any:
    """A gradient in the operand's shape, where its own differs by axes of one entry only."""
    given = np.asarray(value)
    return given.reshape(operand.shape) if np.squeeze(given).shape == np.squeeze(operand).shape else value
