"""Owns PyTorch's calls for each operation, on tensors that lie in a given memory format."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from codegen.bench.task import NotOffered, Task

Call = Callable[[], Any]


def torch_module() -> Any:
    """PyTorch, told how many threads it may use when it was loaded (`threads.confine`)."""
    return import_module("torch")


def calls(task: Task, t: dict[str, Any]) -> Call:
    """The operation by PyTorch's own operators, without autograd. Raises NotOffered where there is none."""
    makers: dict[str, Callable[[Task, dict[str, Any]], Call]] = {
        "convolution": convolution,
        "transposed convolution": convolution,
        "max pooling": max_pooling,
        "mean pooling": mean_pooling,
        "resampling": resampling,
        "linear": linear,
        "cross entropy": cross_entropy,
    }
    return makers[task.kind](task, t)


def functional_of(task: Task) -> Callable[..., Any]:
    """The forward pass of a convolution as a function of input, weight, bias."""
    functional, g = torch_module().nn.functional, task.geometry()
    rank = len(g.kernel)
    if task.kind == "convolution":
        plain = getattr(functional, f"conv{rank}d")
        return lambda x, w, b=None: plain(x, w, b, g.stride, g.padding, g.dilation, g.groups)
    turned = getattr(functional, f"conv_transpose{rank}d")
    return lambda x, w, b=None: turned(x, w, b, g.stride, g.padding, g.extra, g.groups, g.dilation)


def convolution(task: Task, t: dict[str, Any]) -> Call:
    if task.operation == "forward":
        function, given = functional_of(task), [t[n] for n in ("input", "weight", "bias") if n in t]
        return lambda: function(*given)
    g, turned = task.geometry(), task.kind == "transposed convolution"
    backward = torch_module().ops.aten.convolution_backward
    x, w, y = t["input"], t["weight"], t["grad_output"]
    extra = list(g.extra) if turned else [0] * len(g.kernel)
    mask = [task.wrt == "input", task.wrt == "weight", False]
    which = mask.index(True)
    rest = ([0], g.stride, g.padding, g.dilation, turned, extra, g.groups, mask)
    return lambda: backward(y, x, w, *rest)[which]


def max_pooling(task: Task, t: dict[str, Any]) -> Call:
    torch, g = torch_module(), task.geometry()
    rank, x = len(g.kernel), t["input"]
    options = (g.kernel, g.stride, g.padding, g.dilation, False)
    if task.operation == "forward":
        pool = getattr(torch, f"max_pool{rank}d")
        return lambda: pool(x, *options)
    if rank == 1:
        raise NotOffered("one-dimensional max pooling without autograd")
    aten, y = torch.ops.aten, t["grad_output"]
    places = getattr(aten, f"max_pool{rank}d_with_indices")(x, *options)[1]
    backward = getattr(aten, f"max_pool{rank}d_with_indices_backward")
    return lambda: backward(y, x, *options, places)


def mean_pooling(task: Task, t: dict[str, Any]) -> Call:
    torch, g = torch_module(), task.geometry()
    rank, x = len(g.kernel), t["input"]
    if repr(task.layer).count("count_include_pad") or repr(task.layer).count("divisor_override"):
        raise NotOffered("a divisor other than the size of the window")
    if task.operation == "forward":
        pool = getattr(torch.nn.functional, f"avg_pool{rank}d")
        return lambda: pool(x, g.kernel, g.stride, g.padding)
    if rank == 1:
        raise NotOffered("one-dimensional mean pooling without autograd")
    backward, y = getattr(torch.ops.aten, f"avg_pool{rank}d_backward"), t["grad_output"]
    return lambda: backward(y, x, g.kernel, g.stride, g.padding, False, True, None)


def resampling(task: Task, t: dict[str, Any]) -> Call:
    torch, mode = torch_module(), getattr(task.layer, "mode", "")
    lengths, shape = list(task.layer.output_shape(task.shape)[2:]), list(task.shape)
    if getattr(task.layer, "align_corners", None):
        raise NotOffered("resampling with corners aligned")
    title = f"upsample_{mode}{len(lengths)}d"
    corners = () if mode == "nearest" else (False,)
    if task.operation == "forward":
        x = t["input"]
        resample = torch.nn.functional.interpolate
        return lambda: resample(x, size=lengths, mode=mode)
    backward, y = getattr(torch.ops.aten, f"{title}_backward"), t["grad_output"]
    return lambda: backward(y, lengths, shape, *corners)


def linear(task: Task, t: dict[str, Any]) -> Call:
    torch, x, w, y = torch_module(), t["input"], t["weight"], t["grad_output"]
    if task.operation == "forward":
        product = torch.nn.functional.linear
        return lambda: product(x, w, t.get("bias"))
    if x.ndim != 2:
        raise NotOffered("gradients of a linear layer on other than a matrix")
    if task.operation == "grad input":
        out, into = torch.empty_like(x), torch.mm
        return lambda: into(y, w, out=out)
    out, turned, into = torch.empty_like(w), y.t(), torch.mm
    return lambda: into(turned, x, out=out)


def cross_entropy(task: Task, t: dict[str, Any]) -> Call:
    torch = torch_module()
    if repr(task.layer) != "CrossEntropyLoss()" or len(task.shape) != 2:
        raise NotOffered("cross entropy other than the mean over rows of class indices")
    aten, x, target, one = torch.ops.aten, t["input"], t["target"], torch.ones((), dtype=t["input"].dtype)

    def both() -> Any:
        logs = aten._log_softmax(x, 1, False)
        loss, weight = aten.nll_loss_forward(logs, target, None, 1, -100)
        back = aten.nll_loss_backward(one, logs, target, None, 1, -100, weight)
        return loss, aten._log_softmax_backward_data(back, logs, 1, x.dtype)

    return both
