"""Owns `build` of one layer: a request from options, and the kernel object of what was built."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codegen.coded import coded
from codegen.compile import chosen_isa
from codegen.given import Given
from codegen.kernel import Kernel as Kernel
from codegen.operands import Wanted
from codegen.options import check_options, tunes
from codegen.produce import Built, Request, produce
from derive.errors import LayerError
from derive.layers.base import Layer


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
    **shapes: Sequence[int],
) -> Kernel:
    """Compile, validate and load the kernels of a layer at one input shape; a second call loads them.

    Args:
        layer: any layer that `derive` has.
        input_shape: PyTorch's, with or without a batch.
        dtype: "float32" or "float64", of every floating operand.
        threads: that share the parts of a kernel, to the same bits as one. Kernels of few products stay on
            one, and so do all in a process that was forked (`codegen.forked`).
        wrt: operands whose gradients are wanted, "all", one name, or a sequence; () is inference only.
        training: the mode of layers that have one (BatchNorm, Dropout); no difference for others.
        accuracy: what rounding a schedule may do, see the README. Constants of the layer (interpolation
            weights, shares of a mean) are exact rationals, rounded once to the dtype.
        tune: whether the best few schedules by the cost model are timed here and the quickest is taken; with
            False, or BACKFLIP_TUNE=0 in the environment, the model alone chooses, the same everywhere.
        validate: "fast" or "exact", see `codegen.validate`.
        isa: "native", "avx512", "avx2" or "portable".
        shapes: of operands that input_shape leaves open; `target=` of the input's shape makes a
            CrossEntropyLoss one over probabilities.

    Raises:
        LayerError: wrong layer, shape or option.
        BuildError: no compiler, headers or cache; a check refused the binary; a function without values.
        LimitError: kernels too large to validate, or codes that the dtype does not hold.
    """
    check_options(layer, dtype=dtype, validate=validate, accuracy=accuracy, threads=threads)
    shape = tuple(input_shape)
    layer = layer.in_mode(training).told(shape, **shapes)
    asked = asked_for(layer, shape, wrt, **shapes)
    coded(layer, shape, dtype)
    request = Request(layer, shape, dtype, asked, validate, chosen_isa(isa), threads, accuracy, tunes(tune))
    return kernel_of(layer, shape, dtype, produce(request), **shapes)


def kernel_of(
    layer: Layer, shape: tuple[int, ...], dtype: str, built: Built, **shapes: Sequence[int]
) -> Kernel:
    """The kernels that were built, behind the checks of their operands."""
    element, bounds, codes = np.dtype(dtype), layer.bounds(), coded(layer, shape, dtype)
    floating = [o for o in layer.operands(shape, False, **shapes) if o.name not in codes]
    wanted = {o.name: Wanted(o.name, o.shape, element, bounds.get(o.name)) for o in floating}
    given = Given(wanted, codes, layer.tables(shape), built.kernels, dtype)
    gradients = tuple(n.removeprefix("grad_") for n in built.kernels if n.startswith("grad_"))
    return Kernel(layer, shape, dtype, gradients, given, built)


def asked_for(
    layer: Layer, shape: tuple[int, ...], wrt: str | Sequence[str] = "all", **shapes: Sequence[int]
) -> tuple[str, ...]:
    """The claims of a build: the output, statistics that the layer keeps, gradients (`wanted_gradients`)."""
    gradients = wanted_gradients(layer, shape, wrt)
    further = (o.name for o in layer.operands(shape, False, **shapes) if o.name.startswith("new_"))
    return ("output", *further, *gradients)


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
