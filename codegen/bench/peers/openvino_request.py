"""OpenVINO: one compiled model, one request, tensors shared with it; float32 arithmetic; forward only."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from codegen.bench.candidate import Candidate, Peer
from codegen.bench.task import Array, NotOffered, Task, aligned


def requested(task: Task, operands: dict[str, Array]) -> list[Candidate]:
    if task.operation != "forward":
        raise NotOffered("forward only")
    if task.dtype != "float32":
        raise NotOffered("its CPU plugin computes in float32 at most")
    openvino = import_module("openvino")
    ops = import_module("openvino.opset13")
    given = ops.parameter(list(task.shape), np.float32, name="input")
    model = openvino.Model([node_of(task, operands, ops, given)], [given], "layer")
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": task.threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
    }
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    out = aligned(task.layer.output_shape(task.shape), task.dtype)
    request.set_input_tensor(openvino.Tensor(operands["input"], shared_memory=True))
    request.set_output_tensor(openvino.Tensor(out, shared_memory=True))
    start, wait = request.start_async, request.wait

    def call() -> None:
        start()
        wait()

    note = "one request, input and output shared, weights packed in the model"
    return [Candidate("openvino", call, lambda _: [out], note=note)]


def node_of(task: Task, operands: dict[str, Array], ops: Any, given: Any) -> Any:
    """The layer as OpenVINO's operators."""
    if task.kind == "linear":
        found = ops.matmul(given, ops.constant(operands["weight"]), False, True)
        return ops.add(found, ops.constant(operands["bias"])) if "bias" in operands else found
    if task.kind == "resampling":
        return _resized(task, ops, given)
    if task.kind not in ("convolution", "transposed convolution", "max pooling", "mean pooling"):
        raise NotOffered("not written out for it here")
    g = task.geometry()
    if task.kind == "mean pooling":
        return ops.avg_pool(given, g.stride, g.padding, g.padding, g.kernel, False)
    if task.kind == "max pooling":
        return ops.max_pool(given, g.stride, g.dilation, g.padding, g.padding, g.kernel).output(0)
    if task.kind == "transposed convolution":
        if g.groups != 1:
            raise NotOffered("transposed convolution in groups")
        extra = {"output_padding": list(g.extra)}
        weight = ops.constant(operands["weight"])
        found = ops.convolution_backprop_data(
            given, weight, list(g.stride), None, list(g.padding), list(g.padding), list(g.dilation), **extra
        )
    elif g.groups == 1:
        weight = ops.constant(operands["weight"])
        found = ops.convolution(given, weight, g.stride, g.padding, g.padding, g.dilation)
    else:
        w = operands["weight"]
        weight = ops.constant(w.reshape(g.groups, w.shape[0] // g.groups, *w.shape[1:]))
        found = ops.group_convolution(given, weight, g.stride, g.padding, g.padding, g.dilation)
    if "bias" in operands:
        return ops.add(found, ops.constant(operands["bias"].reshape(1, -1, *(1,) * len(g.kernel))))
    return found


def _resized(task: Task, ops: Any, given: Any) -> Any:
    nearest = getattr(task.layer, "mode", "") == "nearest"
    if getattr(task.layer, "align_corners", None):
        raise NotOffered("resampling with corners aligned")
    lengths = np.array(task.layer.output_shape(task.shape)[2:], np.int64)
    return ops.interpolate(
        given,
        ops.constant(lengths),
        "nearest" if nearest else "linear_onnx",
        "sizes",
        coordinate_transformation_mode="asymmetric" if nearest else "half_pixel",
        nearest_mode="floor",
        axes=ops.constant(np.arange(2, 2 + len(lengths), dtype=np.int64)),
    )


PEERS = (Peer("openvino", ("openvino",), requested, "openvino"),)
