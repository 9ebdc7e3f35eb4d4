"""ONNX Runtime with input and output bound once: no conversion and no allocation in a call; forward only."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from codegen.bench.candidate import Candidate, Peer
from codegen.bench.task import Array, NotOffered, Task, aligned

OPSET = 18
IN_FLOAT64 = ("linear", "max pooling")


def bound(task: Task, operands: dict[str, Array]) -> list[Candidate]:
    if task.operation != "forward":
        raise NotOffered("no operators for gradients: forward only")
    if task.dtype == "float64" and task.kind not in IN_FLOAT64:
        raise NotOffered("no float64 operator for this layer")
    runtime = import_module("onnxruntime")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = task.threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    session = runtime.InferenceSession(model_of(task, operands), settings, ["CPUExecutionProvider"])
    given = runtime.OrtValue.ortvalue_from_numpy(operands["input"])
    out = aligned(task.layer.output_shape(task.shape), task.dtype)
    binding = session.io_binding()
    binding.bind_ortvalue_input("input", given)
    binding.bind_output("output", "cpu", 0, out.dtype.type, list(out.shape), out.ctypes.data)
    run = session.run_with_iobinding
    kept = (session, given, out)
    note = "input and output bound before, weights packed in the session"
    return [Candidate("onnxruntime", lambda: run(binding), lambda _: [kept[2]], note=note)]


def model_of(task: Task, operands: dict[str, Array]) -> bytes:
    """A model of the one layer, its weights as initialisers."""
    onnx = import_module("onnx")
    kind = {"float32": onnx.TensorProto.FLOAT, "float64": onnx.TensorProto.DOUBLE}[task.dtype]
    title, attributes, constants = operator(task, operands)
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    names = ["input", *constants]
    inputs = [n if constants.get(n) is not None or n == "input" else "" for n in names]
    node = helper.make_node(title, inputs, ["output"], **attributes)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("input", kind, list(task.shape))],
        [helper.make_tensor_value_info("output", kind, list(task.layer.output_shape(task.shape)))],
        [numpy_helper.from_array(v, n) for n, v in constants.items() if v is not None],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    return bytes(model.SerializeToString())


def operator(task: Task, operands: dict[str, Array]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Its name, its attributes, its constant inputs in their order (None leaves one out)."""
    weights: dict[str, Any] = {n: operands[n] for n in ("weight", "bias") if n in operands}
    if task.kind == "linear":
        return "Gemm", {"transB": 1}, weights
    if task.kind == "resampling":
        return _resize(task)
    if task.kind == "cross entropy":
        raise NotOffered("no operators for gradients: forward only")
    g = task.geometry()
    window = {"kernel_shape": g.kernel, "strides": g.stride, "pads": [*g.padding, *g.padding]}
    if task.kind == "convolution":
        return "Conv", {**window, "dilations": g.dilation, "group": g.groups}, weights
    if task.kind == "transposed convolution":
        more = {"dilations": g.dilation, "group": g.groups, "output_padding": g.extra}
        return "ConvTranspose", {**window, **more}, weights
    if task.kind == "max pooling":
        return "MaxPool", {**window, "dilations": g.dilation}, {}
    return "AveragePool", {**window, "count_include_pad": 1}, {}


def _resize(task: Task) -> tuple[str, dict[str, Any], dict[str, Any]]:
    nearest = getattr(task.layer, "mode", "") == "nearest"
    if getattr(task.layer, "align_corners", None):
        raise NotOffered("resampling with corners aligned")
    place = "asymmetric" if nearest else "half_pixel"
    attributes = {"mode": "nearest" if nearest else "linear", "coordinate_transformation_mode": place}
    if nearest:
        attributes["nearest_mode"] = "floor"
    lengths = np.array(task.layer.output_shape(task.shape), np.int64)
    return "Resize", attributes, {"roi": None, "scales": None, "sizes": lengths}


PEERS = (Peer("onnxruntime", ("onnxruntime", "onnx"), bound, "onnxruntime"),)
