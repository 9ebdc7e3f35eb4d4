"""Owns the compiled kernel as Python sees it: `build` makes one, `Kernel` checks and calls."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from codegen.compile import chosen_isa
from codegen.errors import BuildError
from codegen.operands import Array, Wanted, check_apart, check_workspace
from codegen.produce import Built, Request, produce
from codegen.tables import arrays
from derive.errors import LayerError
from derive.layers.base import Layer

DTYPES = ("float32", "float64")
LEVELS = ("fast", "exact")
TIERS = ("strict", "balanced", "relaxed")


def build(
    layer: Layer,
    input_shape: Sequence[int],
    *,
    dtype: str = "float32",
    threads: int = 1,
    wrt: str | Sequence[str] = "all",
    training: bool = False,
    accuracy: str = "strict",
    tune: bool = True,
    validate: str = "fast",
    isa: str = "native",
) -> Kernel:
    """Compile, validate and load the kernels of a layer at one input shape; a second call loads them.

    Args:
        layer: any layer that `derive` has.
        input_shape: PyTorch's, with or without a batch.
        dtype: "float32" or "float64", of every floating operand.
        threads: 1; more are refused in this version.
        wrt: operands whose gradients are wanted, "all", one name, or a sequence; () is inference only.
        training: makes no difference for layers without a training mode.
        accuracy: every tier is served by direct sums, which are the strict ones. Constants of the layer
            (interpolation weights, shares of a mean) are exact rationals, rounded once to the dtype.
        tune: schedules are chosen by the cost model alone, so True and False are the same.
        validate: "fast" or "exact", see `codegen.validate`.
        isa: "native", "avx512", "avx2" or "portable".

    Raises:
        LayerError: wrong layer, shape or option.
        BuildError: no compiler, headers or cache; a check refused the binary.
    """
    for title, value, allowed in (
        ("dtype", dtype, DTYPES),
        ("validate", validate, LEVELS),
        ("accuracy", accuracy, TIERS),
    ):
        if value not in allowed:
            raise LayerError("unknown option", where=title, expected=" or ".join(allowed), got=repr(value))
    if type(threads) is not int or threads < 1:
        raise LayerError("threads out of range", where="threads", expected="at least 1", got=repr(threads))
    if threads != 1:
        raise BuildError(
            "kernels run on one thread in this version",
            where="threads",
            expected="1",
            got=repr(threads),
            mend="call kernels from several Python threads: the interpreter lock is released while one runs",
        )
    if not isinstance(layer, Layer):
        raise LayerError(
            "not a layer",
            where="build",
            expected="a layer such as Conv2d(3, 8, 3)",
            got=repr(layer)[:60],
            mend="derive.parse_layer(text)",
        )
    shape = tuple(input_shape)
    operands = {o.name: o.shape for o in layer.operands(shape, training)}
    gradients = wanted_gradients(layer, shape, wrt)
    request = Request(layer, shape, dtype, ("output", *gradients), validate, chosen_isa(isa))
    return Kernel(layer, shape, dtype, gradients, operands, produce(request), layer.tables(shape))


def wanted_gradients(layer: Layer, shape: tuple[int, ...], wrt: str | Sequence[str]) -> tuple[str, ...]:
    """The differentiable operands asked for, in the layer's order. Raises LayerError on another name."""
    known = [o.name for o in layer.operands(shape) if o.differentiable]
    names = known if wrt == "all" else [wrt] if isinstance(wrt, str) else list(wrt)
    for name in names:
        if name not in known:
            raise LayerError(
                "no such gradient", where="wrt", expected=f"all, {', '.join(known)}", got=repr(name)
            )
    return tuple(n for n in known if n in names)


@dataclass(frozen=True, eq=False)
class Packed:
    """A snapshot of a weight for one kernel; later changes of the array it was made from do not show."""

    kernel: Kernel
    array: Array


class Kernel:
    """Compiled forward and backward of one layer at one shape and dtype.

    Attributes:
        layer, input_shape, dtype: what it was built for.
        wrt: operands whose gradients `backward` returns.
        source: the generated Cython text.
        proof: JSON text: theorem, label, certificate, validation, digests of source and binary, flags.
        path: the folder of the cache that holds binary, text and proof record.
        workspace_bytes: scratch that one call needs; without `workspace=` each thread keeps its own.

    Arrays are NumPy arrays or objects with DLPack or the buffer protocol; C-contiguous, of the kernel's
    dtype, aligned to an element. Padding is multiplied as zeros: for finite operands that changes nothing,
    a NaN or infinity also reaches entries whose windows meet it in the padding. Nothing is copied
    silently: whatever does not fit is a LayerError that names the operand and the mend. Calls from
    several threads may run at once.
    """

    def __init__(
        self,
        layer: Layer,
        input_shape: tuple[int, ...],
        dtype: str,
        wrt: tuple[str, ...],
        shapes: Mapping[str, tuple[int, ...]],
        built: Built,
        tables: Mapping[str, Sequence[Fraction]],
    ) -> None:
        self.layer, self.input_shape, self.dtype, self.wrt = layer, input_shape, dtype, wrt
        self.source, self.proof, self.cached = built.source, built.proof, built.cached
        self.path = built.path
        element = np.dtype(dtype)
        self._elements = max((int(k["workspace"]) for k in built.kernels.values()), default=0)
        self.workspace_bytes = self._elements * element.itemsize
        self._wanted = {name: Wanted(name, shape, element) for name, shape in shapes.items()}
        self._tables = arrays(tables, dtype)
        self._order = {name: tuple(k["operands"]) for name, k in built.kernels.items()}
        self._call = {name: getattr(built.module, f"call_{name}") for name in built.kernels}
        self._local = threading.local()

    def __repr__(self) -> str:
        shape = ",".join(map(str, self.input_shape))
        return (
            f"<Kernel of {self.layer!r} at {shape}, {self.dtype}, gradients: {', '.join(self.wrt) or 'none'}>"
        )

    def forward(
        self,
        input: Any,
        weight: Any = None,
        bias: Any = None,
        *,
        out: Any = None,
        workspace: Any = None,
        saved: Any = None,
        **operands: Any,
    ) -> Array:
        """The layer's output.

        Args:
            input, weight, bias: in the shapes of `layer.operands(input_shape)`; weight may be packed. A layer
                without weight or bias takes none; further operands are given by name (`other=`).
            out: receives the result; must not overlap an operand.
            workspace: at least `workspace_bytes` of scratch.
            saved: accepted for layers that keep something for backward; this layer keeps nothing.

        Raises LayerError on an operand that is missing, not known, or does not fit.
        """
        given = {"input": input, "weight": weight, "bias": bias, **operands}
        read = self._read(self._order["output"], given)
        target = self._out("output", "out", out)
        scratch = self._scratch(workspace)
        try:
            self._call["output"](target, *read.values(), scratch)
        except ValueError:
            check_apart({"out": target, "workspace": scratch}, read)
            raise
        return target

    def backward(
        self,
        grad_output: Any,
        *,
        input: Any = None,
        weight: Any = None,
        out: Any = None,
        workspace: Any = None,
        saved: Any = None,
        **operands: Any,
    ) -> dict[str, Array]:
        """The gradients of a loss by the operands named in `wrt`.

        Args:
            grad_output: gradient of the loss by the output, in the output's shape.
            input, weight: as in the forward call; needed where a gradient that was built reads them.
            out: by operand name the array that receives its gradient; others are made.
            workspace: at least `workspace_bytes` of scratch.

        Returns a dict with the keys of `wrt`. Raises LayerError as `forward`.
        """
        names = {w: f"grad_{w}" for w in self.wrt}
        given = {"grad_output": grad_output, "input": input, "weight": weight, **operands}
        read = self._read(tuple(dict.fromkeys(n for k in names.values() for n in self._order[k])), given)
        targets = self._outs(out)
        scratch = self._scratch(workspace)
        if out is not None or workspace is not None:
            check_apart({**{f"out[{w!r}]": a for w, a in targets.items()}, "workspace": scratch}, read)
        for w, kernel in names.items():
            self._call[kernel](targets[w], *(read[n] for n in self._order[kernel]), scratch)
        return targets

    def pack_weights(self, weight: Any) -> Packed:
        """A snapshot of the weight, accepted as `weight=` by this kernel alone.

        Raises LayerError where the layer has no weight, or the array does not fit.
        """
        if "weight" not in self._wanted:
            listed = ", ".join(n for n in self._wanted if n != "output")
            raise LayerError("the layer has no weight", where=repr(self.layer), expected=listed, got="weight")
        return Packed(self, self._wanted["weight"].taken(weight).copy())

    def _read(self, needed: tuple[str, ...], given: Mapping[str, Any]) -> dict[str, Array]:
        """The needed operands, checked; others are looked at only to refuse a name the layer lacks."""
        for name, value in given.items():
            if value is not None and (name == "output" or name not in self._wanted):
                listed = ", ".join(n for n in self._wanted if n != "output")
                raise LayerError("the layer has no such operand", where=name, expected=listed, got=name)
        tables = self._tables
        return {n: tables[n] if n in tables else self._taken(n, given.get(n)) for n in needed}

    def _taken(self, name: str, value: Any) -> Array:
        if value is None:
            shape = self._wanted[name].shape
            raise LayerError("missing operand", where=name, expected=f"an array of shape {shape}", got="None")
        if isinstance(value, Packed):
            if value.kernel is not self or name != "weight":
                raise LayerError(
                    "packed for another kernel", where=name, mend="pack it with this kernel's pack_weights"
                )
            return value.array
        return self._wanted[name].taken(value)

    def _out(self, operand: str, title: str, value: Any) -> Array:
        wanted = self._wanted[operand]
        return np.empty(wanted.shape, wanted.dtype) if value is None else wanted.written(value, title)

    def _outs(self, out: Any) -> dict[str, Array]:
        if out is not None and not isinstance(out, Mapping):
            raise LayerError(
                "not a dict", where="out", expected=f"a dict with keys of {self.wrt}", got=type(out).__name__
            )
        for name in out or ():
            if name not in self.wrt:
                raise LayerError(
                    "no such gradient", where="out", expected=", ".join(self.wrt), got=repr(name)
                )
        return {w: self._out(w, f"out[{w!r}]", (out or {}).get(w)) for w in self.wrt}

    def _scratch(self, workspace: Any) -> Array:
        if workspace is not None:
            return check_workspace(workspace, self.workspace_bytes, np.dtype(self.dtype).itemsize)
        found: Array | None = getattr(self._local, "scratch", None)
        if found is None:
            found = self._local.scratch = np.empty(self._elements, self.dtype)
        return found
