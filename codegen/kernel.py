"""Owns the compiled kernel as Python sees it: checks what it is called with, and calls."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from codegen.fast import laid_out, quick
from codegen.given import Given
from codegen.operands import Array, check_apart, check_workspace
from codegen.packing import Packed, aligned, pack, positions
from codegen.produce import Built
from derive.errors import LayerError
from derive.layers.base import Layer


class Kernel:
    """Compiled forward and backward of one layer at one shape and dtype.

    Attributes:
        layer, input_shape, dtype: what it was built for.
        wrt: operands whose gradients `backward` returns.
        source: the generated Cython text.
        proof: JSON text: theorem, certificate, validation (claims, bounds, time), digests, compiler, flags.
        path: the folder of the cache that holds binary, text and proof record.
        workspace_bytes: scratch that one call needs; without `workspace=` each thread keeps its own, which
            begins at a multiple of 64 bytes (a given one need not).

    Arrays are NumPy arrays or objects with DLPack or the buffer protocol; C-contiguous, of the kernel's
    dtype, aligned to an element. Padding is multiplied as zeros: for finite operands that changes nothing,
    a NaN or infinity also reaches entries whose windows meet it in the padding. What an
    indicator does not choose is absent and spoils nothing, and so is a gradient where the derivative of ReLU
    or Hardtanh is 0; else a gradient is a product, and inf times 0 is NaN. Nothing is copied
    silently: whatever does not fit is a LayerError that names the operand and the mend. Whole numbers
    (target, indices) are int64 arrays, checked for their range and turned into elements at each call.
    Calls from several threads may run at once. NumPy arrays that fit as they are go to the kernels without
    passing through Python code (`codegen.fast`); all others take the methods as they are written here.
    """

    def __init__(
        self,
        layer: Layer,
        input_shape: tuple[int, ...],
        dtype: str,
        wrt: tuple[str, ...],
        given: Given,
        built: Built,
    ) -> None:
        self.layer, self.input_shape, self.dtype, self.wrt = layer, input_shape, dtype, wrt
        self.source, self.proof, self.cached = built.source, built.proof, built.cached
        self.path = built.path
        self._given = given
        calls = [n for n in built.kernels if n[:5] != "grad_"], [f"grad_{w}" for w in wrt]
        self._elements = max(laid_out(built.kernels, given, names)[1] for names in calls)
        self.workspace_bytes = self._elements * np.dtype(dtype).itemsize
        self._call = {name: getattr(built.module, f"call_{name}") for name in built.kernels}
        self._module, self._known, self._packs = built.module, built.kernels, positions(built.kernels)
        self._packed = {name: getattr(built.module, f"call_packed_{name}") for name in self._packs}
        self._results = tuple(n for n in self._call if n == "output" or n.startswith("new_"))
        self._kept = {
            name: (kernel, *part) for kernel, k in built.kernels.items() for name, part in k["kept"].items()
        }
        self._local = threading.local()
        vars(self).update(quick(self, built, given))

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
    ) -> Any:
        """The layer's output.

        Args:
            input, weight, bias: in the shapes of `layer.operands(input_shape)`; weight may be packed. A layer
                without weight or bias takes none; further operands are given by name (`other=`, `mask=`,
                `class_weight=`, `running_mean=`; `target=` and `indices=` are int64).
            out: receives the result; must not overlap an operand.
            workspace: at least `workspace_bytes` of scratch.
            saved: accepted by every layer; nothing is read from it.

        Returns the output; with return_indices=True (output, indices), the indices int64; where the layer has
        further results (BatchNorm in training) (output, new running_mean, new running_var).

        Raises LayerError on an operand that is missing, not known, or does not fit.
        """
        given = {"input": input, "weight": weight, "bias": bias, **operands}
        names = self._results
        read = self._read(names, given)
        targets = {n: self._given.out(n, "out", out if n == "output" else None) for n in names}
        scratch = self._scratch(workspace)
        if len(names) > 1 and (out is not None or workspace is not None):
            check_apart({"out": targets["output"], "workspace": scratch}, read)
        for name in names:
            self._run(name, targets[name], read, scratch, weight)
        results = tuple(targets.values())
        if getattr(self.layer, "return_indices", False):
            results += tuple(self._given.coded[n].given(self._codes(n, scratch)) for n in self._kept)
        return results[0] if len(results) == 1 else results

    def backward(
        self,
        grad_output: Any = None,
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
            grad_output: gradient of the loss by the output, in the output's shape; 1 where it is left out and
                the output is a scalar.
            input, weight: as in the forward call; needed where a gradient that was built reads them.
            out: by operand name the array that receives its gradient; others are made.
            workspace: at least `workspace_bytes` of scratch.
            saved: for max pooling the int64 indices of the forward call; without them they are found anew.

        Returns a dict with the keys of `wrt`. Raises LayerError as `forward`.
        """
        names = {w: f"grad_{w}" for w in self.wrt}
        if grad_output is None and self._given.wanted["grad_output"].shape == ():
            grad_output = np.ones((), self.dtype)
        given = {"grad_output": grad_output, "input": input, "weight": weight, **operands}
        scratch = self._scratch(workspace)
        taken = self._taken_codes(names.values(), given, saved, scratch)
        read = self._read(names.values(), given, taken)
        targets = self._outs(out)
        if out is not None or workspace is not None:
            check_apart({**{f"out[{w!r}]": a for w, a in targets.items()}, "workspace": scratch}, read)
        for w, kernel in names.items():
            self._run(kernel, targets[w], read, scratch, weight)
        return targets

    def pack_weights(self, weight: Any) -> Packed:
        """The weight laid out anew for each kernel that wants it so; as `weight=` for this object alone.

        That is done here, once, for forward and backward; kernels that read the weight as it is get a
        snapshot of it. Results are those of the plain weight, to the bit.

        Raises LayerError where the layer has no weight, or the array does not fit.
        """
        if "weight" not in self._given.wanted:
            raise LayerError(
                "the layer has no weight", where=repr(self.layer), expected=self._given.listed, got="weight"
            )
        array = self._given.wanted["weight"].taken(weight)
        return pack(self, self._module, self._known, array, self._scratch(None))

    def _read(
        self, kernels: Iterable[str], given: Mapping[str, Any], known: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """What the kernels take from outside; `known` is read already."""
        plain = {n: self._unpacked(n, v) for n, v in given.items()}
        needed = self._given.needs(*kernels)
        if not known:
            return self._given.read(needed, plain)
        return {**self._given.read([n for n in needed if n not in known], plain), **known}

    def _unpacked(self, name: str, value: Any) -> Any:
        if not isinstance(value, Packed):
            return value
        if value.kernel is not self or name != "weight":
            raise LayerError(
                "packed for another kernel", where=name, mend="pack it with this kernel's pack_weights"
            )
        return value.array

    def _run(
        self, name: str, target: Array, read: Mapping[str, Array], scratch: Array, weight: Any = None
    ) -> None:
        """One kernel; on its own packed weight where `weight` is packed."""
        call, operands = self._call[name], read
        if isinstance(weight, Packed) and name in self._packs:
            call, operands = self._packed[name], {**read, "weight": weight[self._packs[name]]}
        try:
            call(target, *self._given.arguments(name, operands), scratch)
        except ValueError:
            check_apart({"out": target, "workspace": scratch}, read)
            raise

    def _codes(self, name: str, scratch: Array) -> Array:
        """The codes that the last forward call left in its workspace, as elements."""
        _, start, count = self._kept[name]
        size = np.dtype(self.dtype).itemsize
        return scratch.reshape(-1).view(np.uint8)[start * size : (start + count) * size].view(self.dtype)

    def _taken_codes(
        self, kernels: Iterable[str], given: Mapping[str, Any], saved: Any, scratch: Array
    ) -> dict[str, Array]:
        """Computed codes that a gradient reads: those saved, or those of the forward pass done again."""
        needed = [n for n in self._given.needs(*kernels) if n in self._kept]
        if saved is not None:
            return {n: self._given.coded[n].taken(saved, "saved") for n in needed}
        found = {}
        for name in needed:
            kernel = self._kept[name][0]
            read = self._read([kernel], {n: v for n, v in given.items() if n != "grad_output"})
            self._run(kernel, self._given.out(kernel, "out", None), read, scratch)
            found[name] = self._codes(name, scratch).copy()
        return found

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
        return {w: self._given.out(w, f"out[{w!r}]", (out or {}).get(w)) for w in self.wrt}

    def _scratch(self, workspace: Any) -> Array:
        if workspace is not None:
            return check_workspace(workspace, self.workspace_bytes, np.dtype(self.dtype).itemsize)
        return self._scratch_of_thread()

    def _scratch_of_thread(self) -> Array:
        """This thread's own workspace."""
        found: Array | None = getattr(self._local, "scratch", None)
        if found is None:
            found = self._local.scratch = aligned(self._elements, self.dtype)
        return found
