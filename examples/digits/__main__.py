"""A small LeNet learns scikit-learn's handwritten digits; every number is computed by generated kernels.

    python -m examples.digits --out build/digits

Results go to stdout, progress to stderr on a terminal, plot and derivation to the folder.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path

from derive import BackflipError
from derive.progress import Progress
from examples.digits.data import Images, load
from examples.digits.network import BATCH, SHAPE, TRAINED, Network, initial
from examples.digits.peer import CHECKED, largest_difference
from examples.digits.report import derived, drawn, misread
from examples.digits.train import EPOCHS, RATE, History, answers, train

WANTED = 0.97
"""The share of test images that must be read right."""

ALLOWED = 1e-9
"""The largest relative difference to PyTorch's loss in float64."""


def said(what: str, text: str) -> None:
    print(f"  {what:<9}{text}", flush=True)


def trained(options: argparse.Namespace, progress: Progress) -> tuple[Network, History, Images]:
    """Build the kernels and train; both are timed."""
    training, test = load(options.dtype)
    begin = time.perf_counter()
    network = Network(options.dtype, initial(options.seed), progress)
    count = len(network.trained.kernels) + 2
    said(
        "built",
        f"{count} {options.dtype} kernels for batches of {BATCH}, each validated, "
        f"{time.perf_counter() - begin:.1f} s (less where the cache has them)",
    )
    begin = time.perf_counter()
    history = train(network, training, test, epochs=options.epochs, seed=options.seed, told=progress)
    said(
        "trained",
        f"{len(history.losses):,} steps of rate {RATE} on {len(training):,} images, {options.epochs} epochs, "
        f"{time.perf_counter() - begin:.1f} s; loss {history.losses[0]:.3f} at first, "
        f"{sum(history.losses[-history.steps :]) / history.steps:.4f} in the last epoch",
    )
    return network, history, test


def checked(seed: int, progress: Progress) -> bool:
    """The first steps once more in float64, beside PyTorch from the same weights on the same batches."""
    if importlib.util.find_spec("torch") is None:
        said("", "PyTorch is not installed: the losses are not compared with it")
        return True
    worst = largest_difference(seed, progress)
    verdict = "within" if worst <= ALLOWED else "NOT WITHIN"
    said(
        "checked",
        f"losses of the first {CHECKED} steps in float64 {verdict} {ALLOWED:g} of PyTorch's; "
        f"largest relative difference {worst:.1e}",
    )
    return worst <= ALLOWED


def job(options: argparse.Namespace) -> bool:
    """The whole run; whether the network reads well enough."""
    folder: Path = options.out
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{TRAINED!r} at input {','.join(map(str, SHAPE))}")
    label, documents = derived(folder)
    said("derived", f"the gradient of each weight and bias: {label}")
    with Progress() as progress:
        network, history, test = trained(options, progress)
        likely = answers(network, test)
        right = int((likely.argmax(1) == test.digits).sum())
        said(
            "tested",
            f"{right} of {len(test)} images that it was not trained on read right, {history.test[-1]:.2%}",
        )
        for line in misread(test, likely):
            said("", line)
        fine = checked(options.seed, progress)
    said("wrote", ", ".join(map(str, [drawn(history, folder / "training.svg"), *documents])))
    return fine and right / len(test) >= WANTED


def main() -> None:
    options = argparse.ArgumentParser(
        prog="python -m examples.digits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--out", type=Path, default=Path("build/digits"), help="output folder")
    options.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    options.add_argument("--epochs", type=int, default=EPOCHS, help=f"default {EPOCHS}")
    options.add_argument("--seed", type=int, default=0, help="of the initial weights and of the batches")
    given = options.parse_args()
    if given.epochs < 1 or given.seed < 0:
        options.error("--epochs is at least 1, --seed at least 0")
    try:
        fine = job(given)
    except BackflipError as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(fault.exit_code)
    except FloatingPointError as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    print("the network reads the digits" if fine else "THE NETWORK IS NOT GOOD ENOUGH")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
