"""Times exhaustive proofs of the layers of known networks: every entry of every gradient and forward form.

    python -m benchmarks.exhaustive [--network resnet50] [--jobs N] [--factorised] [--only TEXT] [--json FILE]

Of each network the distinct layers (same arguments, same input shape) that are linear in each operand:
convolutions, transposed convolutions, mean pooling and linear layers; ReLU, batch normalisation and maxima
are proved otherwise and left out. Monomials are those of both sides of all claims together. Memory is the
largest resident set so far of this process and of any of its workers. No second opinions are asked; the
label of each result is checked. Theorems for all sizes are argued beforehand, once a class.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from derive.api import ProofResult
from derive.exhaust import SECONDS_PER_TERM, estimate
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.networks import prove_many
from derive.progress import Progress
from derive.spelling import parse_layer
from derive.theorems import theorems

Item = tuple[str, tuple[int, ...]]
Layers = list[tuple[Layer, tuple[int, ...]]]
LONG = 10.0
"""Seconds of work above which an estimate is said first."""
MOST_TERMS = 10**12
"""Monomials of one claim: the benchmark asks for what it lists."""


def lenet5() -> Iterator[Item]:
    """LeCun et al. 1998 as it is taught: mean pooling without weights, all feature maps connected."""
    yield "Conv2d(1, 6, 5, padding=2)", (1, 1, 28, 28)
    yield "AvgPool2d(2)", (1, 6, 28, 28)
    yield "Conv2d(6, 16, 5)", (1, 6, 14, 14)
    yield "AvgPool2d(2)", (1, 16, 10, 10)
    yield "Conv2d(16, 120, 5)", (1, 16, 5, 5)
    yield "Linear(120, 84)", (1, 120)
    yield "Linear(84, 10)", (1, 84)


def conv(c: int, k: int, kernel: int, size: int, stride: int = 1, groups: int = 1) -> Item:
    """A convolution without bias that keeps the size but for its stride."""
    extra = f", stride={stride}" * (stride > 1) + f", padding={kernel // 2}" * (kernel > 1)
    extra += f", groups={groups}" * (groups > 1)
    return f"Conv2d({c}, {k}, {kernel}{extra}, bias=False)", (1, c, size, size)


def resnet50() -> Iterator[Item]:
    """The convolutions, at 224 x 224; the stride of a block is on its 3 x 3, as in PyTorch ("v1.5")."""
    yield conv(3, 64, 7, 224, 2)
    channels, size = 64, 56
    for width, blocks, first in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            stride = first if block == 0 else 1
            yield conv(channels, width, 1, size)
            yield conv(width, width, 3, size, stride)
            yield conv(width, 4 * width, 1, size // stride)
            if block == 0:
                yield conv(channels, 4 * width, 1, size, stride)
            channels, size = 4 * width, size // stride


def vgg16() -> Iterator[Item]:
    """Configuration D at 224 x 224, with biases."""
    channels, size = 3, 224
    for width, layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(layers):
            yield f"Conv2d({channels}, {width}, 3, padding=1)", (1, channels, size, size)
            channels = width
        size //= 2
    for features in ((25088, 4096), (4096, 4096), (4096, 1000)):
        yield f"Linear({features[0]}, {features[1]})", (1, features[0])


def mobilenetv2() -> Iterator[Item]:
    """Width 1 at 224 x 224: expansion 1 x 1, depthwise 3 x 3 (groups = channels), projection 1 x 1."""
    yield conv(3, 32, 3, 224, 2)
    channels, size = 32, 112
    settings = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
        (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip
    for factor, width, blocks, first in settings:
        for block in range(blocks):
            stride, inner = first if block == 0 else 1, factor * channels
            if factor > 1:
                yield conv(channels, inner, 1, size)
            yield conv(inner, inner, 3, size, stride, groups=inner)
            size //= stride
            yield conv(inner, width, 1, size)
            channels = width
    yield conv(320, 1280, 1, 7)
    yield "AvgPool2d(7)", (1, 1280, 7, 7)
    yield "Linear(1280, 1000)", (1, 1280)


def unet() -> Iterator[Item]:
    """Ronneberger et al. 2015 with padding 1, 64 to 1024 channels, 2 classes, at 3 x 128 x 128."""
    channels, size = 3, 128
    for width in (64, 128, 256, 512, 1024):
        for _ in range(2):
            yield f"Conv2d({channels}, {width}, 3, padding=1)", (1, channels, size, size)
            channels = width
        size //= 2
    size *= 2
    for width in (512, 256, 128, 64):
        yield f"ConvTranspose2d({channels}, {width}, 2, stride=2)", (1, channels, size, size)
        size *= 2
        for _ in range(2):
            yield f"Conv2d({channels}, {width}, 3, padding=1)", (1, channels, size, size)
            channels = width
    yield "Conv2d(64, 2, 1)", (1, 64, 128, 128)


NETWORKS: dict[str, Callable[[], Iterator[Item]]] = {
    "lenet5": lenet5,
    "resnet50": resnet50,
    "mobilenetv2": mobilenetv2,
    "unet": unet,
    "vgg16": vgg16,
}


@dataclass(frozen=True)
class Row:
    """One layer, or the sum or the whole list of a network."""

    network: str
    layer: str
    shape: tuple[int, ...]
    entries: int
    monomials: int
    seconds: float
    processor: float
    own_mb: float
    worker_mb: float


def monomials(layer: Layer, shape: tuple[int, ...]) -> int:
    """Both sides of all claims; argues the class's theorems where that was not done."""
    proved, sizes = theorems(type(layer), layer.choices(shape)), layer.sizes(shape)
    return sum(estimate(claim_at(theorem.claim, sizes))[0] for theorem in proved.values())


def peak(who: int) -> float:
    """Largest resident set so far, in MB (Linux counts kilobytes, macOS bytes)."""
    return resource.getrusage(who).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def checked(results: list[ProofResult], factorised: bool) -> int:
    """The entries compared; exits where a claim was refuted or another label was earned."""
    for found in results:
        fits = found.label.endswith("modulo factorisation" if factorised else "identities, exhaustive")
        if not found.ok or not fits:
            sys.exit(f"not proved: {found.label}\n" + "\n".join(found.report))
    return sum(found.identities for found in results)


def processor() -> float:
    """Seconds that this process and its ended workers were computing."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def timed(name: str, title: str, shape: tuple[int, ...], layers: Layers, options: argparse.Namespace) -> Row:
    """Prove layers as one list; of what takes less than a second the best of several."""
    terms = sum(monomials(layer, shape) for layer, shape in layers)
    best, least, spent = float("inf"), float("inf"), 0.0
    while spent < 1:
        with Progress() as progress:
            begin, before = time.perf_counter(), processor()
            found = prove_many(
                layers,
                jobs=options.jobs,
                factorised=options.factorised,
                progress=progress,
                max_terms=MOST_TERMS,
            )
            took = time.perf_counter() - begin
            best, least, spent = min(best, took), min(least, processor() - before), spent + took
    entries = checked(found, options.factorised)
    own, workers = peak(resource.RUSAGE_SELF), peak(resource.RUSAGE_CHILDREN)
    return Row(name, title, shape, entries, terms, best, least, own, workers)


def show(row: Row) -> None:
    each = 1e9 * row.seconds / max(1, row.monomials)
    print(
        f"{row.layer:<62}{'x'.join(map(str, row.shape)):<16}{row.entries:>11,}{row.monomials:>16,}"
        f"{row.seconds:>9.3f}{row.processor:>9.3f}{each:>8.2f}{row.own_mb:>8.0f}{row.worker_mb:>8.0f}",
        flush=True,
    )


def run(name: str, options: argparse.Namespace) -> Iterator[Row]:
    """The rows of a network: its layers one by one, or all as one list."""
    items = [item for item in dict.fromkeys(NETWORKS[name]()) if options.only in item[0]]
    layers = [(parse_layer(text), shape) for text, shape in items]
    terms = sum(monomials(layer, shape) for layer, shape in layers)
    expected = terms * SECONDS_PER_TERM / (options.jobs or os.cpu_count() or 1)
    if expected > LONG and not options.factorised:
        print(f"{name}: {terms:,} monomials, about {expected:,.0f} s", file=sys.stderr, flush=True)
    if not options.together:
        for (text, shape), one in zip(items, layers, strict=True):
            yield timed(name, text, shape, [one], options)
    if options.together or name == "lenet5":
        yield timed(name, f"{name}: {len(layers)} distinct layers as one list", (), layers, options)


def total(name: str, rows: list[Row]) -> Row:
    """Times and numbers added; the largest memory."""
    added = (sum(getattr(r, f) for r in rows) for f in ("entries", "monomials", "seconds", "processor"))
    most = (max(getattr(r, f) for r in rows) for f in ("own_mb", "worker_mb"))
    return Row(name, f"{name}: {len(rows)} distinct layers", (), *added, *most)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, help="one network (default: all)")
    parser.add_argument("--jobs", type=int, help="worker processes; 1 is this process (default: cores)")
    parser.add_argument("--factorised", action="store_true", help="decide axis by axis")
    parser.add_argument("--together", action="store_true", help="a network as one list, not layer by layer")
    parser.add_argument("--only", default="", help="layers whose text holds this")
    parser.add_argument("--json", type=Path, help="also write the rows there")
    options = parser.parse_args()
    head = ("layer", "input", "entries", "monomials", "s", "cpu s", "ns each", "MB here", "worker")
    print("{:<62}{:<16}{:>11}{:>16}{:>9}{:>9}{:>8}{:>8}{:>8}".format(*head))
    everything: list[Row] = []
    for name in [options.network] if options.network else NETWORKS:
        rows = list(map_show(run(name, options)))
        everything += rows
        if single := [r for r in rows if r.shape]:
            everything.append(total(name, single))
            show(everything[-1])
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in everything], indent=1), encoding="utf-8")


def map_show(rows: Iterator[Row]) -> Iterator[Row]:
    """Each row shown as it comes."""
    for row in rows:
        show(row)
        yield row


if __name__ == "__main__":
    main()
