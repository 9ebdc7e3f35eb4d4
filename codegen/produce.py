"""Owns the way from a request to a loaded module: theorem, loops, text, C, binary, validation, cache."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from codegen import cache, compile
from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.cache import text_digest as compile_digest
from codegen.compile import Isa
from codegen.errors import BuildError
from codegen.loader import opened
from codegen.recorded import head_said, kernels_told, proof_begun
from codegen.variants import Variants
from codegen.work import check_work
from derive.claim import Claim
from derive.layers.base import Layer, is_gradient

if TYPE_CHECKING:
    from codegen.tuning import Choice


@dataclass(frozen=True)
class Request:
    """What is asked for; equal requests to equal files of backflip give one source.

    Attributes:
        wanted: the claims to compile, "output" and operands, in the layer's order.
        level: of validation, "fast" or "exact".
        threads: that share a kernel's parts.
        accuracy: "strict", "balanced" or "relaxed".
        tune: whether the best few schedules are timed.
    """

    layer: Layer
    shape: tuple[int, ...]
    dtype: str
    wanted: tuple[str, ...]
    level: str
    isa: Isa
    threads: int = 1
    accuracy: str = "strict"
    tune: bool = False

    def key(self) -> str:
        """Digest of the request, backflip's own files, and what a binary of it depends on here."""
        parts = {
            "layer": repr(self.layer),
            "shape": self.shape,
            "dtype": self.dtype,
            "wanted": self.wanted,
            "level": self.level,
            "isa": asdict(self.isa) | {"needs": sorted(self.isa.needs)},
            "threads": self.threads,
            "accuracy": self.accuracy,
            "tune": self.tune,
            "backflip": cache.own_digest(),
            "cython": compile.cython_version(),
            "abi": compile.abi(),
        }
        return cache.key_of(parts)


@dataclass(frozen=True)
class Built:
    """A loaded module and what is known of it.

    Attributes:
        kernels: by kernel name its operands after `out`, its workspace in elements, numbers, parts kept.
        proof: JSON text.
        cached: whether it came from the cache.
    """

    module: ModuleType
    source: str
    proof: str
    kernels: Mapping[str, Mapping[str, Any]]
    path: Path
    cached: bool


def produce(request: Request) -> Built:
    """The module for a request, from the cache or built, validated and stored.

    Raises BuildError where a tool is missing or fails, a check refuses, or the cache cannot be written.
    """
    key = request.key()
    found = _found(request, key)
    if found is not None:
        return found
    with cache.locked(key):
        return _found(request, key) or loaded(_built(request, key), False)


def _found(request: Request, key: str) -> Built | None:
    """What the cache has for a request; None where that does not agree with itself, and is built anew."""
    entry = _cached(request, key)
    if entry is None:
        return None
    try:
        return loaded(entry, True)
    except BuildError:
        return None


def _cached(request: Request, key: str) -> cache.Entry | None:
    """The binary that a request came to, if the compiler is still the same one, or there is none now.

    A binary whose own record tells of another request (layer, shape, dtype, threads, accuracy, tuning) or
    instruction set is not taken.
    """
    asked = cache.find("requests", key)
    if asked is None or compile.compiler_identity() not in (None, asked.record.get("compiler")):
        return None
    entry = cache.find("binaries", str(asked.record.get("binary")))
    if entry is None:
        return None
    told = {**_title(request), "isa": request.isa.name}
    same = all(entry.record.get(name) == value for name, value in told.items())
    return entry if same and len(entry.record.get("kernels", ())) == len(request.wanted) else None


def _title(request: Request) -> dict[str, Any]:
    """What an entry tells of the request that it was made for, beside the instruction set."""
    return {
        "layer": repr(request.layer),
        "shape": list(request.shape),
        "dtype": request.dtype,
        "threads": request.threads,
        "accuracy": request.accuracy,
        "tune": request.tune,
    }


def loaded(entry: cache.Entry, cached: bool) -> Built:
    """The module in an entry. Raises BuildError where its files do not agree (`codegen.loader`)."""
    files = opened(entry)
    return Built(files.module, files.source, files.proof, files.kernels, entry.path, cached)


def _built(request: Request, key: str) -> cache.Entry:
    compile.compiler()
    text, artefact_facts, proof = module_source(request)
    source = compile_digest(text)
    identity = compile.compiler_identity()
    flags = compile.flags_shipped(request.isa, request.threads)
    binary = cache.key_of(
        {
            "source": source,
            "asked": _title(request),
            "headers": compile.headers_digest(),
            "flags": flags,
            "compiler": identity,
            "cython": compile.cython_version(),
            "abi": compile.abi(),
            "cpu": sorted(request.isa.needs),
            "level": request.level,
            "checked by": cache.own_digest(),
        }
    )
    entry = cache.find("binaries", binary)
    if entry is None or not _agrees(entry):
        with tempfile.TemporaryDirectory(prefix="backflip-") as work:
            files, facts = _compiled(request, text, artefact_facts, proof, Path(work))
            entry = cache.store("binaries", binary, files, facts)
    cache.store("requests", key, {}, {"source": source, "binary": binary, "compiler": identity})
    return entry


def _agrees(entry: cache.Entry) -> bool:
    try:
        opened(entry)
    except BuildError:
        return False
    return True


def module_source(request: Request) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The Cython text, what validation needs to know of it, and the proof record's first half."""
    from codegen.assembly import expected
    from codegen.facts import facts_of
    from codegen.lower import kernel_name
    from codegen.targets.cython.parts import packed_count
    from codegen.targets.cython.printer import module_text

    layer, shape = request.layer, request.shape
    claims = claims_of(layer, shape, request.wanted)
    check_work(claims, facts_of(layer, shape))
    chosen = scheduled(request, claims)
    kernels = [c.kernel for c in chosen]
    title = f"{layer!r} at input {','.join(map(str, shape))}, {request.dtype}"
    text = module_text(title, head_said(request, chosen), kernels)
    known = {
        "equations": {kernel_name(key): claim for key, claim in claims.items()},
        "operand_order": {k.name: tuple(b.name for b in k.operands) for k in kernels},
        "workspace_elements": {k.name: k.workspace for k in kernels},
        "constants": {k.name: k.constants for k in kernels},
        "kept": {k.name: {b.name: (b.offset or 0, b.count) for b in k.kept} for k in kernels},
        "packed": {k.name: packed_count(k) for k in kernels},
        "expected": {k.name: expected(k) for k in kernels},
    }
    return text, known, proof_begun(request, claims, chosen)


def scheduled(request: Request, claims: Mapping[str, Claim]) -> list[Choice]:
    """The kernels of the claims, each with what else there was; chosen for one thread (`codegen.settled`)."""
    from codegen.facts import facts_of
    from codegen.lower import ranked
    from codegen.schedules.nest import Target
    from codegen.settled import settled
    from codegen.tuning import shared

    isa, size = request.isa, {"float32": 4, "float64": 8}[request.dtype]
    lanes = isa.lanes(request.dtype)
    one = Target(lanes, isa.accumulators, isa.registers, size, 1, request.accuracy)
    kept = any(map(is_gradient, request.wanted)) or getattr(request.layer, "return_indices", False)
    facts = replace(facts_of(request.layer, request.shape), keeps=kept)
    chosen = settled(request, {key: ranked(key, claim, one, facts) for key, claim in claims.items()})
    if request.threads == 1:
        return chosen
    several = replace(one, threads=request.threads)
    with_all = [ranked(key, claim, several, facts) for key, claim in claims.items()]
    return [shared(choice, found) for choice, found in zip(chosen, with_all, strict=True)]


def claims_of(layer: Layer, shape: tuple[int, ...], wanted: Sequence[str]) -> dict[str, Claim]:
    """The wanted claims of a layer at a shape, from its theorems."""
    from codegen.fused import is_fused, parts
    from derive.instance import claim_at
    from derive.theorems import theorems

    sizes = layer.sizes(shape)
    proved = [theorems(kind, choices) for kind, choices in parts(layer, shape)]
    if is_fused(layer):
        return {"output": claim_at(layer.claims(**layer.choices(shape))["output"], sizes)}
    return {key: claim_at(proved[0][key].claim, sizes) for key in wanted}


def prepared(request: Request, text: str, known: Mapping[str, Any], work: Path) -> tuple[Artefact, Variants]:
    """The text as a C file in a folder, what validation knows of it, and how its variants are compiled."""
    name = f"backflip_{compile_digest(text)[:16]}"
    pyx = work / "kernel.pyx"
    pyx.write_text(text, encoding="utf-8")
    c_path = compile.to_c(pyx, name)
    variants = Variants(name, c_path, request.isa, request.isa.lanes(request.dtype), request.threads)
    own = {"layer": request.layer, "shape": request.shape, **known}
    return Artefact(text, c_path, variants.lanes, request.dtype, load_variant=variants, **own), variants


def _compiled(
    request: Request, text: str, known: dict[str, Any], proof: dict[str, Any], work: Path
) -> tuple[dict[str, Path], dict[str, Any]]:
    """Files and facts of the entry: the binary compiled and validated, and no other than that which was."""
    from codegen.assembly import looked_at, recorded
    from codegen.validate import validate

    artefact, variants = prepared(request, text, known, work)
    shipped = (SHIPPED_ELEMENT[request.dtype],)
    record = validate(artefact, request.level)
    made = _made(text, variants, shipped)
    if (record.c_sha256, record.shipped) != (made["c_sha256"], made["binary_sha256"]):
        raise cache.refused(work, "the files that were validated", "files changed meanwhile")
    kernels = kernels_told(known)
    looked = recorded(looked_at(variants.path(shipped), artefact.expected, "fma" in request.isa.needs))
    proof |= {"kernels": kernels, "validation": asdict(record), "assembly": looked, **made}
    shown = work / "proof.json"
    shown.write_text(json.dumps(proof, indent=1, ensure_ascii=False, default=str), encoding="utf-8")
    files = {
        "kernel.pyx": work / "kernel.pyx",
        "kernel.c": artefact.c_path,
        "module.so": variants.path(shipped),
        "proof.json": shown,
    }
    return files, {"module": variants.name, "kernels": kernels, "isa": request.isa.name, **_title(request)}


def _made(text: str, variants: Variants, shipped: tuple[str, ...]) -> dict[str, Any]:
    """How the shipped binary came about, for the proof record."""
    flags = compile.flags_shipped(variants.isa, variants.threads)
    return {
        "source_sha256": compile_digest(text),
        "c_sha256": cache.file_digest(variants.c_path),
        "binary_sha256": cache.file_digest(variants.path(shipped)),
        "compiler": compile.compiler_version(),
        "cython": compile.cython_version(),
        "flags": [*flags, *(f"-D{d}" for d in variants.definitions(shipped))],
        "abi": compile.abi(),
        "isa": variants.isa.name,
        "lanes": variants.lanes,
    }
