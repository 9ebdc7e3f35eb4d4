"""Owns what a run leaves behind: the plot, the network's derivation, the images that were misread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from derive import differentiate
from derive.document import save_page
from derive.graph_document import page
from examples.digits.data import Array, Images
from examples.digits.network import SHAPE, TRAINED, parameters
from examples.digits.plot import BLUE, ORANGE, SKY, Curve, Panel, logarithmic, plain, svg
from examples.digits.train import History

LINE = 97.0
SHOWN = 10
"""Most images that are listed."""


def drawn(history: History, file: Path) -> Path:
    """Loss and accuracy over the epochs, written as SVG."""
    file.write_text(picture(history), encoding="utf-8")
    return file


def picture(history: History) -> str:
    """The plot: losses of the steps and of the epochs (logarithmic), shares of images read right.

    A loss of 0, which has no logarithm, is drawn at the least loss above it.
    """
    n = history.steps
    least = min((loss for loss in history.losses if loss > 0), default=1.0)
    steps = [((k + 1) / n, max(loss, least)) for k, loss in enumerate(history.losses)]
    epochs = range(1, len(history.test) + 1)
    means = [(e, max(sum(history.losses[n * (e - 1) : n * e]) / n, least)) for e in epochs]
    training, test = (
        [(e, 100 * share) for e, share in zip(epochs, shares, strict=True)]
        for shares in (history.training, history.test)
    )
    losses = Panel(
        logarithmic("cross entropy, logarithmic", least, max(history.losses)),
        (Curve("each step", steps, SKY, wide=0.8), Curve("mean of the epoch", means, BLUE, "circle")),
    )
    read = Panel(
        plain("images read right, %", min(LINE, *(y for _, y in training + test)), 100),
        (
            Curve("training images", training, BLUE, "circle"),
            Curve("test images", test, ORANGE, "square", "6 3"),
        ),
        ((LINE, f"{LINE:g} %"),),
    )
    words = (
        f"Two panels over {len(test)} epochs. The mean cross entropy of an epoch goes from {means[0][1]:.3g} "
        f"in the first to {means[-1][1]:.3g} in the last. The share of test images read right goes from "
        f"{test[0][1]:.1f} % to {test[-1][1]:.1f} %, of training images from {training[0][1]:.1f} % to "
        f"{training[-1][1]:.1f} %."
    )
    title = "A small LeNet on handwritten digits, trained by generated kernels"
    return svg(title, words, plain("epochs", 0, len(test)), (losses, read))


def derived(folder: Path) -> tuple[str, list[Path]]:
    """The backward pass that is trained with, as documents; what is known of it, and the files."""
    gradients = differentiate(TRAINED, SHAPE, wrt=tuple(parameters()))
    document = page(gradients)
    files = [folder / f"network.{suffix}" for suffix in ("html", "tex", "txt")]
    for file in files:
        save_page(document, file)
    return next(iter(gradients.values())).label, files


def misread(images: Images, likely: Array) -> Iterator[str]:
    """One line for each image that is not read as what is written on it, the surest mistakes first."""
    found = likely.argmax(1)
    wrong = sorted((-likely[k, found[k]], k) for k in range(len(images)) if found[k] != images.digits[k])
    for surety, k in wrong[:SHOWN]:
        said = f"a {images.digits[k]}, read as {found[k]} with probability {-surety:.2f}"
        yield f"image {images.places[k]}: {said}"
    if len(wrong) > SHOWN:
        yield f"and {len(wrong) - SHOWN} more"
