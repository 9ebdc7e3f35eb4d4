"""The path that is validated is the path that ships: one C file, one binary, one call, one dispatch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from codegen import cache, call, compile
from codegen.artefact import Artefact
from codegen.compile import ISAS
from codegen.errors import BuildError
from codegen.kernel import Kernel
from codegen.produce import Built, Request, module_source, prepared
from codegen.rig import Rig
from codegen.validate import validate
from codegen.variants import Variants
from derive.layers.conv import Conv2d

LAYER, SHAPE = Conv2d(1, 1, 2, bias=False), (1, 1, 3, 4)
FLOAT, CLASSES = "BF_ELEMENT_FLOAT", {"BF_ELEMENT_TRACE", "BF_ELEMENT_UINT64", "BF_ELEMENT_FIELD"}


@dataclass(frozen=True)
class Watched:
    """A build at "exact" as it happened: C digest and definitions of every compilation, files loaded."""

    kernel: call.Kernel
    built: Built
    compiled: list[tuple[str, tuple[str, ...]]]
    loaded: list[tuple[str, ModuleType]]

    @property
    def proof(self) -> dict[str, Any]:
        return dict(json.loads(self.kernel.proof))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    compiled: list[tuple[str, tuple[str, ...]]] = []
    loaded: list[tuple[str, ModuleType]] = []
    found: list[Built] = []
    to_binary, load, produce = compile.to_binary, compile.load, call.produce

    def noted_binary(c_path: Path, target: Path, isa: Any, definitions: Any, *further: Any) -> None:
        compiled.append((cache.file_digest(c_path), tuple(definitions)))
        to_binary(c_path, target, isa, definitions, *further)

    def noted_load(name: str, path: Path) -> ModuleType:
        module = load(name, path)
        loaded.append((cache.file_digest(path), module))
        return module

    def noted_produce(request: Request) -> Built:
        found.append(produce(request))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKFLIP_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(compile, "to_binary", noted_binary)
        patch.setattr(compile, "load", noted_load)
        patch.setattr(call, "produce", noted_produce)
        kernel = call.build(LAYER, SHAPE, validate="exact")
    yield Watched(kernel, found[0], compiled, loaded)


# ---------------------------------------------------------------- one text


def test_every_variant_is_compiled_from_one_c_file(watched: Watched) -> None:
    proof, folder = watched.proof, watched.kernel.path
    assert {digest for digest, _ in watched.compiled} == {proof["c_sha256"]}
    assert proof["c_sha256"] == cache.file_digest(folder / "kernel.c") == proof["validation"]["c_sha256"]
    variants = {"_".join(d[:-1]) for _, d in watched.compiled}
    assert variants == CLASSES | {FLOAT, f"{FLOAT}_BF_MARKS"} == set(proof["validation"]["loaded"])
    text = cache.text_digest(watched.kernel.source)
    assert {m.source_digest() for _, m in watched.loaded} == {text} == {proof["source_sha256"]}
    assert {d[-1] for _, d in watched.compiled} == {f"BF_LANES={proof['lanes']}"}


def named_otherwise(text: str) -> str:
    """The text with another digest of itself in it."""
    return text.replace(f'"{cache.text_digest(text)}"', f'"{"0" * 64}"')


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artefact, Variants, Variants]:
    """A forward kernel that is not validated yet, its variants, and those of a second C file of that name."""
    request = Request(LAYER, SHAPE, "float32", ("output",), "fast", compile.chosen_isa("native"))
    text, known, _ = module_source(request)
    artefact, variants = prepared(request, text, known, tmp_path_factory.mktemp("one"))
    pyx = tmp_path_factory.mktemp("other") / "kernel.pyx"
    pyx.write_text(named_otherwise(text))
    return artefact, variants, replace(variants, c_path=compile.to_c(pyx, variants.name))


@pytest.mark.parametrize("taken", [(FLOAT,), ("BF_ELEMENT_TRACE",)], ids=["shipped", "trace"])
def test_a_second_c_file_is_refused(taken: tuple[str, ...], two: tuple[Artefact, Variants, Variants]) -> None:
    """For the binary that ships, or for a class build: a module that says it is of another text."""
    artefact, variants, other = two
    mixed = replace(artefact, load_variant=lambda given: (other if given == taken else variants)(given))
    with pytest.raises(BuildError, match=rf"source_digest\(\) is not that of the text[^$]*{taken[0]}"):
        validate(mixed)
    assert validate(artefact).of("trace")


# ---------------------------------------------------------------- one binary


def test_the_module_that_is_called_is_the_file_that_was_validated(watched: Watched) -> None:
    proof, module = watched.proof, watched.built.module
    assert module.__file__ is not None
    digest = cache.file_digest(Path(module.__file__))
    assert digest == proof["binary_sha256"] == proof["validation"]["loaded"][FLOAT]
    assert [m for d, m in watched.loaded if d == digest][-1] is module
    assert len([m for d, m in watched.loaded if d == digest]) >= 2, (
        "once by the validator, once by the kernel"
    )
    for name, entry in watched.kernel._call.items():
        assert entry == getattr(module, f"call_{name}")


def test_a_binary_swapped_after_validation_is_not_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import codegen.validate

    monkeypatch.setenv("BACKFLIP_CACHE", str(tmp_path / "cache"))
    real = codegen.validate.validate

    def swapping(artefact: Artefact, level: str) -> Any:
        record = real(artefact, level)
        path = artefact.load_variant.path((FLOAT,))
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data + b"\0")
        return record

    monkeypatch.setattr(codegen.validate, "validate", swapping)
    with pytest.raises(BuildError, match="files changed meanwhile"):
        call.build(LAYER, SHAPE, wrt=())
    assert not list((tmp_path / "cache").glob("binaries/*"))


# ---------------------------------------------------------------- one call


def spied(module: ModuleType, seen: dict[str, list[bytes]]) -> Any:
    """The module with each call's operands noted: all arguments but the result and the workspace."""

    def entry(name: str) -> Callable[..., None]:
        def noted(out: Any, *rest: Any) -> None:
            seen[name] = [np.ascontiguousarray(a).tobytes() for a in rest[:-1]]
            getattr(module, name)(out, *rest)

        return noted

    names = [n for n in dir(module) if n.startswith("call_")]
    return SimpleNamespace(poison=module.poison, **{n: entry(n) for n in names})


def calls_of(watched: Watched) -> tuple[dict[str, list[bytes]], dict[str, list[bytes]], list[np.ndarray]]:
    """What rig and kernel object (by its methods) pass for the same operands; all results, and quick ones."""
    rng = np.random.default_rng(4)
    kernel, module = watched.kernel, watched.built.module
    shapes = {o.name: o.shape for o in LAYER.operands(SHAPE)}
    data = {n: rng.integers(-9, 10, s).astype(np.float32) for n, s in shapes.items()}
    by_rig: dict[str, list[bytes]] = {}
    by_kernel: dict[str, list[bytes]] = {}
    asked = Request(LAYER, SHAPE, "float32", ("output", *kernel.wrt), "exact", compile.chosen_isa("native"))
    _, known, _ = module_source(asked)
    artefact = Artefact("", Path(), 1, "float32", load_variant=lambda given: module, **known)
    results = []
    for name in known["equations"]:
        results.append(Rig(artefact, name, spied(module, by_rig), "float32").run(data).copy())
    spy = spied(module, by_kernel)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "_call", {name: getattr(spy, f"call_{name}") for name in kernel._call})
        results.append(Kernel.forward(kernel, data["input"], data["weight"]))
        gradient, given = data["grad_output"], {"input": data["input"], "weight": data["weight"]}
        results += Kernel.backward(kernel, gradient, **given).values()
    results.append(kernel.forward(data["input"], data["weight"]))
    return by_rig, by_kernel, [*results, *kernel.backward(gradient, **given).values()]


def test_the_kernel_object_makes_the_calls_that_were_validated(watched: Watched) -> None:
    by_rig, by_kernel, results = calls_of(watched)
    assert set(by_rig) == {"call_output", "call_grad_input", "call_grad_weight"}
    assert by_kernel == by_rig
    third = len(results) // 3
    assert {"forward", "backward"} <= set(vars(watched.kernel)) and third == 3
    for rig, method, quick in zip(results[:third], results[third:-third], results[-third:], strict=True):
        assert rig.tobytes() == method.tobytes() == quick.tobytes()


def test_another_order_of_operands_is_seen(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    order = watched.kernel._given.order
    turned: Mapping[str, tuple[str, ...]] = {name: names[::-1] for name, names in order.items()}
    monkeypatch.setattr(watched.kernel._given, "order", turned)
    with pytest.raises((AssertionError, ValueError)):
        by_rig, by_kernel, _ = calls_of(watched)
        assert by_kernel == by_rig


# ---------------------------------------------------------------- one dispatch


def test_marks_are_equal_in_every_build(watched: Watched) -> None:
    """Every class build against the shipped element; test_validate shows the comparison refusing."""
    marks = {c["kernel"]: c for c in watched.proof["validation"]["checks"] if c["method"] == "marks"}
    assert set(marks) == set(watched.kernel._call)
    for check in marks.values():
        assert check["facts"]["marks"] > 0 and all(element in check["claim"] for element in CLASSES)


def test_each_instruction_set_is_validated_by_itself(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument, not looked up at run time: another one is another binary with a record of its own."""
    native = next(n for n, isa in ISAS.items() if isa.needs <= compile.cpu_features())
    proofs = {native: watched.proof, "portable": json.loads(call.build(LAYER, SHAPE, isa="portable").proof)}
    for name, proof in proofs.items():
        record, lanes = proof["validation"], ISAS[name].lanes("float32")
        assert (proof["isa"], proof["lanes"], record["lanes"]) == (name, lanes, lanes)
        assert record["loaded"][FLOAT] == proof["binary_sha256"]
        assert set(ISAS[name].flags) <= set(proof["flags"])
        assert {"integers", "trace"} <= {c["method"] for c in record["checks"]}
    assert len({p["binary_sha256"] for p in proofs.values()}) == len(proofs)
    monkeypatch.setattr(compile, "cpu_features", frozenset)
    for name in {native} - {"portable"}:
        with pytest.raises(BuildError, match="this CPU cannot run"):
            call.build(LAYER, SHAPE, wrt=(), isa=name)


RUN_TIME = ("__builtin_cpu", "cpuid", "ifunc", "target_clones", "getauxval", "dlsym", "dlopen")


def asks_the_machine(text: str) -> list[str]:
    """Words by which C code finds out at run time what machine it is on."""
    return [word for word in RUN_TIME if word in text]


def test_nothing_is_dispatched_on_the_machine_at_run_time(watched: Watched) -> None:
    headers = "".join(p.read_text() for p in sorted(compile.HEADERS.glob("*.h")))
    assert asks_the_machine(headers + watched.kernel.source) == []
    assert asks_the_machine('__attribute__((target_clones("avx2", "default")))') == ["target_clones"]
