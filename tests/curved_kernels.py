"""Generated modules of layers with functions and selections, their text edited or not, compiled uncached."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from codegen import compile
from codegen.artefact import Artefact
from codegen.compile import chosen_isa
from codegen.produce import Request, module_source
from codegen.variants import Variants
from derive.layers.base import claims_of
from derive.spelling import parse_layer

Edits = Sequence[tuple[str, str]]
"""(regular expression, replacement): every match is replaced; "body:" in front leaves the declarations as
they are, "1:" after that replaces the first match alone."""


def artefact(
    text: str, shape: tuple[int, ...], work: Path, edits: Edits = (), dtype: str = "float32"
) -> Artefact:
    """All kernels of a layer at a shape; every edit must find its text, whatever schedule wrote it."""
    layer, isa = parse_layer(text), chosen_isa("native")
    wanted = tuple(k for k in claims_of(type(layer), layer.choices(shape)) if k not in layer.shifts(shape))
    source, known, _ = module_source(Request(layer, shape, dtype, wanted, "fast", isa))
    for old, new in edits:
        head, mark, body = source.partition("\ncdef void bf_")
        bare = old.removeprefix("body:").removeprefix("1:")
        kept, changed = (head + mark, body) if old.startswith("body:") else ("", source)
        changed, found = re.subn(bare, new, changed, count=int("1:" in old[:7]), flags=re.MULTILINE)
        assert found, f"{old!r} is not in the text of {text}"
        source = kept + changed
    pyx = work / "kernel.pyx"
    pyx.write_text(source, encoding="utf-8")
    name = "curved_" + str(abs(hash((text, tuple(edits), dtype))))
    variants = Variants(name, compile.to_c(pyx, name), isa, isa.lanes(dtype))
    return Artefact(
        source,
        variants.c_path,
        variants.lanes,
        dtype,
        load_variant=variants,
        layer=layer,
        shape=shape,
        **known,
    )
