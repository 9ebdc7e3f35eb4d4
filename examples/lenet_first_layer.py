"""The main job: LeNet-5's first layer derived, proved, printed, compiled and run on real images.

    python examples/lenet_first_layer.py --out build/lenet

Data: scikit-learn ships both. Results go to stdout, progress to stderr, documents and kernels to the folder.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from codegen import build
from derive import BackflipError, Conv2d, differentiate, prove

Array = NDArray[Any]
SIDE = 32
ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53}


def digits(batches: int, size: int) -> Array:
    """Handwritten digits enlarged 4x from 8x8: (batches, size, 1, 32, 32), 0 to 1."""
    from sklearn.datasets import load_digits

    small = load_digits().images[: batches * size] / 16
    large = small.repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2)
    return large.reshape(batches, size, 1, SIDE, SIDE).astype(np.float32)


def photograph(size: int) -> Array:
    """A colour photograph cut into 32x32 tiles: (batches, size, 3, 32, 32), 0 to 1."""
    from sklearn.datasets import load_sample_image

    image = load_sample_image("china.jpg").astype(np.float32) / 255
    rows, columns = image.shape[0] // SIDE, image.shape[1] // SIDE
    tiles = image[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, 3)
    return np.ascontiguousarray(tiles.transpose(0, 2, 4, 1, 3)).reshape(-1, size, 3, SIDE, SIDE)


@dataclass(frozen=True)
class Data:
    """One run's operands: the layer's parameters are drawn as PyTorch draws them, the image is real."""

    input: Array
    weight: Array
    bias: Array
    grad_output: Array

    @staticmethod
    def of(layer: Any, image: Array, seed: int = 0) -> Data:
        rng = np.random.default_rng(seed)
        shapes = {o.name: o.shape for o in layer.operands(image.shape)}
        reach = 1 / np.sqrt(np.prod(shapes["weight"][1:]))
        weight, bias = (rng.uniform(-reach, reach, shapes[n]).astype(np.float32) for n in ("weight", "bias"))
        return Data(image, weight, bias, rng.standard_normal(shapes["output"], dtype=np.float32))

    def mapped(self, function: Callable[[Array], Array]) -> Data:
        return Data(*(function(a) for a in (self.input, self.weight, self.bias, self.grad_output)))


def reference(layer: Any, data: Data) -> dict[str, Array]:
    """The layer and its gradients with windows and einsum, stride 1, in the dtype of the data."""
    (top, _), (left, _) = layer.paddings
    padded = np.pad(data.input, ((0, 0), (0, 0), *layer.paddings))
    windows = sliding_window_view(padded, layer.kernel, axis=(2, 3))
    spread = np.zeros_like(padded)
    height, width = data.grad_output.shape[2:]
    for a, b in np.ndindex(*layer.kernel):
        spread[:, :, a : a + height, b : b + width] += np.einsum(
            "nkyx,kc->ncyx", data.grad_output, data.weight[:, :, a, b], optimize=True
        )
    return {
        "output": np.einsum("ncyxab,kcab->nkyx", windows, data.weight, optimize=True)
        + data.bias[:, None, None],
        "grad_input": spread[:, :, top : top + data.input.shape[2], left : left + data.input.shape[3]],
        "grad_weight": np.einsum("nkyx,ncyxab->kcab", data.grad_output, windows, optimize=True),
        "grad_bias": data.grad_output.sum((0, 2, 3)),
    }


def torch_reference(layer: Any, data: Data) -> dict[str, Array]:
    """The same by PyTorch's autograd."""
    import torch

    x, w, b = (torch.from_numpy(a).requires_grad_() for a in (data.input, data.weight, data.bias))
    output = torch.nn.functional.conv2d(x, w, b, padding=[before for before, _ in layer.paddings])
    output.backward(torch.from_numpy(data.grad_output))
    found = {"output": output.detach(), "grad_input": x.grad, "grad_weight": w.grad, "grad_bias": b.grad}
    return {key: value.numpy() for key, value in found.items() if value is not None}


def bounds(layer: Any, data: Data, dtype: str) -> dict[str, Array]:
    """gamma_n * sum |terms| for each entry: n terms in any order, unit roundoff u, gamma = nu/(1-nu).

    The reference rounds too, in float64; its own gamma is added.
    """
    output = data.grad_output.shape
    terms = {
        "output": data.weight[0].size + 1,
        "grad_input": data.weight.size // data.weight.shape[1],
        "grad_weight": output[0] * output[2] * output[3],
        "grad_bias": output[0] * output[2] * output[3],
    }
    magnitude = reference(layer, data.mapped(lambda a: np.abs(a).astype(np.float64)))

    def gamma(n: int, u: float) -> float:
        return n * u / (1 - n * u)

    return {
        key: (gamma(n, ROUNDOFF[dtype]) + gamma(n, ROUNDOFF["float64"])) * magnitude[key]
        for key, n in terms.items()
    }


@contextmanager
def stage(name: str) -> Iterator[Callable[[], float]]:
    """Says on stderr what is going on; gives the seconds since."""
    print(f"... {name}", file=sys.stderr, flush=True)
    begin = time.perf_counter()
    yield lambda: time.perf_counter() - begin


def said(what: str, text: str) -> None:
    print(f"  {what:<9}{text}", flush=True)


def study(layer: Any, shape: tuple[int, ...], folder: Path) -> None:
    """Derive and prove; the documents and the certificate go to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{layer!r} at input {','.join(map(str, shape))}")
    with stage("deriving") as seconds:
        derivations = differentiate(layer, shape)
        for wrt, derivation in derivations.items():
            derivation.save(folder / f"grad_{wrt}.tex")
        said(
            "derived",
            f"{', '.join(derivations)}: {next(iter(derivations.values())).label}, {seconds():.2f} s",
        )
    with stage("proving every entry at this size") as seconds:
        proof = prove(layer, shape)
        said("proved", f"{proof.label}, {seconds():.2f} s")
        (folder / "certificate.json").write_text(proof.certificate_json(), encoding="utf-8")
    if not proof.ok:
        sys.exit("\n".join(proof.report))


def compiled(layer: Any, shape: tuple[int, ...], folder: Path, dtype: str) -> Any:
    """Build and validate the kernel; its source goes to the folder."""
    with stage(f"building and validating the {dtype} kernel") as seconds:
        kernel = build(layer, shape, dtype=dtype, tune=False)
        said("built", f"{dtype} kernel, {seconds():.2f} s (less where the cache has it)")
        (folder / f"kernel_{dtype}.pyx").write_text(kernel.source, encoding="utf-8")
    return kernel


def timed(function: Callable[[], Any], runs: int = 7) -> float:
    """Median milliseconds."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return 1e3 * median(times)


def run(kernel: Any, data: Data) -> dict[str, Array]:
    gradients = kernel.backward(data.grad_output, input=data.input, weight=data.weight)
    output = kernel.forward(data.input, data.weight, data.bias)
    return {"output": output} | {f"grad_{wrt}": value for wrt, value in gradients.items()}


def compare(layer: Any, runs: list[tuple[Data, dict[str, Array]]], dtype: str) -> bool:
    """Every entry of every run against float64 references, within the derived bound."""
    references = {"NumPy": reference}
    if importlib.util.find_spec("torch") is None:
        said("", "PyTorch is not installed: compared with NumPy alone")
    else:
        references["PyTorch"] = torch_reference
    fine = True
    for title, function in references.items():
        worst: dict[str, float] = {}
        entries = 0
        for data, found in runs:
            allowed = bounds(layer, data, dtype)
            wanted = function(layer, data.mapped(lambda a: a.astype(np.float64)))
            for key, value in found.items():
                entries += value.size
                error = np.abs(value - wanted[key])
                share = np.where(error == 0, 0.0, error / np.maximum(allowed[key], np.finfo(float).tiny))
                worst[key] = max(worst.get(key, 0.0), float(share.max()))
        fine &= all(share <= 1 for share in worst.values())
        shares = ", ".join(f"{key} {share:.2%}" for key, share in worst.items())
        verdict = "within" if all(share <= 1 for share in worst.values()) else "NOT WITHIN"
        said(
            "checked",
            f"{entries:,} entries {verdict} γ_n·Σ|terms| of {title} float64; largest share: {shares}",
        )
    return fine


def job(title: str, layer: Any, images: Array, folder: Path) -> bool:
    """One layer on equal batches of images, in both element types."""
    print(f"== {title}: {images.shape[0]} batches of {images.shape[1]} images")
    shape = images.shape[1:]
    study(layer, shape, folder)
    fine = True
    for dtype in ROUNDOFF:
        kernel = compiled(layer, shape, folder, dtype)
        data = [
            Data.of(layer, batch, seed).mapped(lambda a, t=dtype: a.astype(t))
            for seed, batch in enumerate(images)
        ]
        with stage(f"running forward and backward in {dtype}"):
            runs = [(d, run(kernel, d)) for d in data]
            said("measured", measured(layer, kernel, data[0]))
        fine &= compare(layer, runs, dtype)
    said("wrote", ", ".join(sorted(str(f) for f in folder.iterdir())))
    return fine


def measured(layer: Any, kernel: Any, data: Data) -> str:
    forward = timed(lambda: kernel.forward(data.input, data.weight, data.bias))
    backward = timed(lambda: kernel.backward(data.grad_output, input=data.input, weight=data.weight))
    plain = timed(lambda: reference(layer, data))
    return (
        f"median of 7: forward {forward:.2f} ms, backward {backward:.2f} ms; both with NumPy {plain:.2f} ms"
    )


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--out", type=Path, default=Path("build/lenet"), help="output folder")
    folder = options.parse_args().out
    try:
        fine = job("handwritten digits", Conv2d(1, 6, 5), digits(16, 8), folder / "digits")
        fine &= job("photograph", Conv2d(3, 16, 3, padding=1), photograph(5), folder / "photograph")
    except BackflipError as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(fault.exit_code)
    print("all results within their bounds" if fine else "SOME RESULTS ARE NOT WITHIN THEIR BOUNDS")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
