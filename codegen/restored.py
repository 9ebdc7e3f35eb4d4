"""Owns the kernel that lies in a folder: read back and loaded, or refused."""

from __future__ import annotations

from pathlib import Path

from codegen.cache import entry_in
from codegen.call import Kernel, kernel_of
from codegen.errors import BuildError
from codegen.produce import loaded
from derive.layers.base import Layer
from derive.spelling import parse_layer


def load(folder: str | Path) -> Kernel:
    """The kernel in a folder that `backflip build -o DIR` wrote, or in `Kernel.path`; nothing is built.

    Raises BuildError where binary, text, proof and record do not agree, or this CPU or Python cannot run it;
    see `codegen.loader` for what is compared. That the theorem holds is for `backflip prove` to say, and that
    the binary comes from the text for `python -m codegen.audit`.
    """
    if not isinstance(folder, str | Path):
        raise BuildError("not a folder", where="load", expected="a path", got=repr(folder)[:60])
    entry = entry_in(Path(folder))
    built = loaded(entry, True)
    layer, shape, dtype = (entry.record[key] for key in ("layer", "shape", "dtype"))
    layer, shape = parse_layer(layer), tuple(shape)
    assert isinstance(layer, Layer)
    return kernel_of(layer, shape, dtype, built)
