"""Owns generated/: derivation, kernel, certificate of a few layers; slips, museum, Conv2d for all sizes.

`python -m codegen.gallery` rewrites the folder. Nothing there depends on this machine: the instruction
set is fixed and no schedule is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from codegen.call import asked_for
from codegen.compile import ISAS
from codegen.museum_page import museum_page
from codegen.produce import Request, module_source
from derive.derivation import differentiate
from derive.document import printed, render
from derive.layers.base import Layer
from derive.layers.conv import Conv2d
from derive.rocq import script
from derive.slips import slips_page
from derive.spelling import parse_layer
from derive.symbolic import derivations
from derive.symbolic_document import page
from derive.theorems import certificate_text

FOLDER = Path(__file__).resolve().parent.parent / "generated"
ISA = "avx2"
EXAMPLES: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("notes_3x3_kernel_2x2", "Conv2d(1, 1, 2)", (1, 1, 3, 3)),
    ("stride_with_leftover", "Conv2d(1, 2, 3, stride=2)", (1, 1, 6, 5)),
    (
        "every_parameter",
        "Conv2d(2, 4, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2), groups=2)",
        (2, 2, 6, 5),
    ),
    ("lenet_first_layer", "Conv2d(1, 6, 5, padding=2)", (1, 1, 28, 28)),
    ("notes_full_convolution", "Conv1d(1, 1, 2, padding=full, bias=False)", (1, 1, 5)),
    ("transposed_convolution", "ConvTranspose2d(1, 1, 2, stride=2)", (1, 1, 2, 2)),
    ("overlapping_means", "AvgPool2d(2, stride=1)", (1, 1, 3, 3)),
    ("bilinear", "Upsample(scale_factor=2, mode=bilinear, align_corners=False)", (1, 1, 2, 3)),
    ("activation", "GELU()", (2, 3)),
    ("softmax", "Softmax(1)", (2, 3)),
    ("cross_entropy", "CrossEntropyLoss()", (2, 3)),
    ("overlapping_largest", "MaxPool2d(2, stride=1)", (1, 1, 3, 3)),
)


def texts() -> Iterator[tuple[str, str]]:
    """(path below generated/, content) of every file."""
    for folder, spelled, shape in EXAMPLES:
        layer = parse_layer(spelled)
        yield f"{folder}/derivation.tex", render(differentiate(layer, shape), "latex", "standalone")
        assert isinstance(layer, Layer)
        request = Request(layer, shape, "float32", asked_for(layer, shape), "fast", ISAS[ISA])
        source, _, _ = module_source(request)
        yield f"{folder}/kernel.pyx", source
    kinds = {type(parse_layer(spelled)) for _, spelled, _ in EXAMPLES}
    for kind in sorted(kinds, key=lambda k: k.__name__):
        yield f"{kind.__name__}.certificate.json", certificate_text(kind, kind.chosen({}))
    yield "Conv2d.derivation.tex", printed(page(derivations(Conv2d, {})), "latex", "standalone")
    yield "Conv2d.v", script(Conv2d, {})
    yield "slips.md", slips_page()
    yield "museum.md", museum_page()


def drift(folder: Path = FOLDER) -> list[str]:
    """What is not as it would be written now: changed, missing and superfluous files."""
    wanted = dict(texts())
    found = {
        str(p.relative_to(folder)): p.read_text(encoding="utf-8") for p in folder.rglob("*") if p.is_file()
    }
    found.pop("README.md", None)
    changed = [f"changed: {name}" for name in wanted.keys() & found.keys() if wanted[name] != found[name]]
    missing = [f"missing: {name}" for name in wanted.keys() - found.keys()]
    return sorted([*changed, *missing, *(f"superfluous: {name}" for name in found.keys() - wanted.keys())])


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the folder; with --check only say what would change (exit 1 where something would)."""
    if "--check" in (sys.argv[1:] if arguments is None else arguments):
        for line in (found := drift()):
            print(line)
        return int(bool(found))
    for name, content in texts():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(f"generated/{name}: {len(content.splitlines())} lines")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
