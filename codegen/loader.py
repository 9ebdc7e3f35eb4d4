"""Owns what must agree before a binary is called a kernel: record, proof, text, the module's own word.

An entry is a folder with `kernel.pyx`, `kernel.c`, `module.so`, `proof.json` and a record of their sha256.
The proof must name this text, this C file, this binary, and as what the validation ran no other; the text
must name the proof's certificate and equations, and the module must say that it is of this text. What this
cannot find is a folder in which all of that was forged alike, the module's own word included: `codegen.audit`
builds the binary again and compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from codegen import compile
from codegen.artefact import SHIPPED_ELEMENT
from codegen.cache import Entry, refused, stated_digest, text_digest
from codegen.variants import agree

FILES = ("kernel.pyx", "kernel.c", "module.so", "proof.json")
TITLE = {"layer": "layer", "shape": "input_shape"} | {
    told: told for told in ("dtype", "isa", "threads", "accuracy", "tune")
}
"""What record and proof both say: the record's key and the proof's."""
_LOADED: dict[Path, str] = {}
"""The sha256 of what this process has loaded from each path."""


@dataclass(frozen=True)
class Opened:
    """A loaded module, its text, its proof as text, and what the proof says of each kernel."""

    module: ModuleType
    source: str
    proof: str
    kernels: Mapping[str, Mapping[str, Any]]


def opened(entry: Entry) -> Opened:
    """The kernel in an entry whose files are those of its record.

    Raises BuildError where record, proof, text and binary do not agree; the binary is loaded only if they do
    and this CPU and Python can run it, and then refused where it says itself that it is of another text,
    element or vector length.
    """
    source, text = agreeing(entry)
    proof, path = json.loads(text), entry.path / "module.so"
    compile.chosen_isa(proof["isa"])
    if proof["abi"] != compile.abi():
        raise refused(path, f"a binary for {compile.abi()}", f"one for {proof['abi']}")
    _alone(path, proof["binary_sha256"])
    module = compile.load(entry.record["module"], path)
    itemsize = {"float32": 4, "float64": 8}[proof["dtype"]]
    says = {"source_digest": proof["source_sha256"], "lanes": proof["lanes"], "element_bytes": itemsize}
    agree(str(path), module, says)
    return Opened(module, source, text, proof["kernels"])


def _alone(path: Path, digest: str) -> None:
    """Refuses a second binary from one path: the dynamic linker knows files by path and gives the first."""
    if _LOADED.setdefault(path, digest) != digest:
        raise refused(
            path, f"sha256 {_LOADED[path]}, which this process loaded from there", f"sha256 {digest}"
        )


def agreeing(entry: Entry) -> tuple[str, str]:
    """The text and the proof's text of an entry, its binary not loaded.

    Raises BuildError where record, proof, text and binary do not agree.
    """
    missing = [title for title in FILES if title not in entry.record["files"]]
    if missing:
        raise refused(entry.path, f"a record that names {', '.join(FILES)}", f"none of {', '.join(missing)}")
    try:
        source = (entry.path / "kernel.pyx").read_text(encoding="utf-8")
        text = (entry.path / "proof.json").read_text(encoding="utf-8")
        proof = json.loads(text)
        told = {key: entry.record[key] for key in ("module", "kernels", *TITLE)}
        _match(entry.path / "proof.json", _stated(proof), _found(entry, source, told))
        _names(entry.path / "kernel.pyx", source, proof)
        _ = proof["abi"], proof["lanes"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        said = f"{type(fault).__name__} {fault}"
        raise refused(entry.path, "a record and a proof with all their parts", said) from None
    return source, text


def _stated(proof: Mapping[str, Any]) -> dict[str, Any]:
    """What a proof says of the files beside it."""
    validation = proof["validation"]
    checked = {check["kernel"] for check in validation["checks"]}
    return {
        **{key: proof[key] for key in TITLE.values()},
        "source_sha256": proof["source_sha256"],
        "c_sha256": proof["c_sha256"],
        "binary_sha256": proof["binary_sha256"],
        "validated": (validation["c_sha256"], validation["loaded"][SHIPPED_ELEMENT[proof["dtype"]]]),
        "kernels": proof["kernels"],
        "checked kernels": sorted(set(proof["theorem"]) & checked),
    }


def _found(entry: Entry, source: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the files as they are."""
    files = entry.record["files"]
    return {
        **{key: told[own] for own, key in TITLE.items()},
        "source_sha256": text_digest(source),
        "c_sha256": files["kernel.c"],
        "binary_sha256": files["module.so"],
        "validated": (files["kernel.c"], files["module.so"]),
        "kernels": entry.record["kernels"],
        "checked kernels": sorted(entry.record["kernels"]),
    }


def _match(where: Path, stated: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for key, value in found.items():
        if stated[key] != value:
            raise refused(where, f"{key}: {value}", f"{key}: {stated[key]}")


def _names(where: Path, source: str, proof: Mapping[str, Any]) -> None:
    """The text names the proof's certificate, each equation of its theorem, and its own digest."""
    comments = (line.strip()[1:] for line in source.splitlines() if line.strip().startswith("#"))
    said = " ".join(" ".join(comments).split())
    certificate = f"certificate sha256 {proof['certificate_sha256']}"
    for wanted in (certificate, *proof["theorem"].values()):
        if " ".join(wanted.split()) not in said:
            raise refused(where, f"a text that says: {wanted}", "another certificate or equation")
    if stated_digest(source) != text_digest(source):
        raise refused(where, f"a text of digest {stated_digest(source)}", f"digest {text_digest(source)}")
