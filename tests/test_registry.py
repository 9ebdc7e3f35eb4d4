"""Adding a layer is one file: a toy layer is put into the folder's search path and everything finds it.

The toy stands here as a text, is written to a file of its own, and is gone again after these tests.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import derive.layers
from derive import networks
from derive import theorems as proved
from derive.api import check_file, differentiate, prove
from derive.errors import LayerError
from derive.layers import base, registry
from derive.spelling import parse_layer
from derive.verification import verify

TOY = '''
"""Mirror: the last axis read backwards, each place with a weight of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from derive.claim import Claim
from derive.expr import Definition, Expr, Read, Sum, Tensor, single
from derive.index import name
from derive.layers.base import Layer
from derive.layers.shapes import check_shape
from derive.statements.model import Image, Model, at_least, forms, ranged


@dataclass(frozen=True, repr=False)
class Mirror(Layer):
    """output[n, c, i] = weight[i] * input[n, c, W - 1 - i]."""

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"batched": (True, False)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("Mirror()", (1, 2, 4)),)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        image, (i,) = Image(cls.chosen(choices)["batched"]), ranged("i", ("w",), [name("W")])
        x, w = image.tensor("input", [i.extent]), Tensor("weight", (i.extent,), ((0,),))
        where, turned = (image.n, image.c, i), name("W") - 1 - i.form
        back = (*forms(image.n, image.c), turned)

        def defined(title: str, *factors: Read) -> Definition:
            return Definition(image.tensor(title, [i.extent]), where, single(*factors), "read backwards")

        output = defined("output", Read(w, forms(i)), Read(x, back))
        model = Model(at_least(1, "N", "C", "W"), (x, w), output)
        g = model.grad_output
        grad_x = defined("grad_input", Read(w, (turned,)), Read(g, back))
        total = Sum((image.n, image.c), (), (Read(g, forms(*where)), Read(x, back)))
        grad_w = Definition(Tensor("grad_weight", w.shape, w.layout), (i,), Expr((total,)), "a sum")
        return {
            "output": model.forward(defined("mirrored", Read(w, forms(i)), Read(x, back))),
            "input": model.gradient(x, grad_x),
            "weight": model.gradient(w, grad_w),
        }

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"batched": len(input_shape) == 3}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = check_shape(input_shape, 2, 3)
        return {"N": shape[0] if len(shape) == 3 else 1, "C": shape[-2], "W": shape[-1]}
'''
SHAPE = (2, 3, 4)
FILE = "toy_mirror"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the toy's file, which `derive.layers` looks into while these tests run."""
    place = tmp_path_factory.mktemp("layers")
    (place / f"{FILE}.py").write_text(TOY)
    derive.layers.__path__.append(str(place))
    yield place
    forget(place, FILE, "Mirror")
    assert "Mirror" not in registry()


def forget(place: Path, file: str, title: str) -> None:
    """Take a class away again: its module, and what is kept of it for the process."""
    derive.layers.__path__.remove(str(place))
    sys.modules.pop(f"derive.layers.{file}", None)
    vars(derive.layers).pop(file, None)
    for kept in (base._CLAIMS, proved._PROVED, networks._CERTIFICATES):
        left = {key: value for key, value in kept.items() if key[0].__name__ != title}
        kept.clear()
        kept.update(left)  # type: ignore[arg-type]
    gc.collect()


@pytest.fixture
def toy(folder: Path) -> Any:
    registry()
    return parse_layer("Mirror()")


def values() -> tuple[Any, Any, Any]:
    x = np.arange(24.0).reshape(SHAPE)
    return x, np.array([2.0, 3.0, 5.0, 7.0]), 24.0 - x


def test_the_registry_and_the_texts_know_it(toy: Any) -> None:
    assert registry()["Mirror"] is type(toy) and repr(toy) == "Mirror()"
    assert parse_layer("torch.nn.Mirror()") == toy
    with pytest.raises(LayerError, match="did you mean Mirror"):
        parse_layer("Miror()")
    assert [o.name for o in toy.operands(SHAPE)] == ["input", "weight", "output", "grad_output"]
    assert derive.Mirror is type(toy)


def test_it_is_proved_for_all_sizes_and_at_a_size(toy: Any, tmp_path: Path) -> None:
    whole = prove(type(toy))
    assert whole.ok and whole.label == "ALL SIZES (certificate)" and whole.identities == 3
    found = prove(toy, SHAPE)
    assert found.ok and found.label == "THIS SIZE, 52 identities, exhaustive"
    (tmp_path / "mirror.json").write_text(whole.certificate_json())
    assert check_file(tmp_path / "mirror.json").ok


def test_it_is_printed(toy: Any) -> None:
    found = differentiate(toy, SHAPE)
    assert set(found) == {"input", "weight"}
    assert "grad_input[n,c,i_w]" in found["input"].to_text() and "Mirror()" in found["input"].to_text()
    latex = found["weight"].to_latex()
    assert "Mirror" in latex and latex.count("{") == latex.count("}")
    assert str(found["input"].element((1, 2, 0))) == "grad_output[1, 2, 3]*weight[3]"


def test_its_kernel_is_built_and_validated(toy: Any) -> None:
    from codegen import build

    kernel = build(toy, SHAPE, dtype="float64", validate="exact")
    x, w, g = values()
    assert np.array_equal(kernel.forward(x, w), w * x[..., ::-1])
    grads = kernel.backward(g, input=x, weight=w)
    assert np.array_equal(grads["input"], (w * g)[..., ::-1])
    assert np.array_equal(grads["weight"], (g * x[..., ::-1]).sum((0, 1)))
    checks = json.loads(kernel.proof)["validation"]["checks"]
    assert {check["kernel"] for check in checks} >= {"output", "grad_input", "grad_weight"}


def test_other_peoples_functions_are_judged(toy: Any) -> None:
    def backward(dout: Any, x: Any, w: Any) -> Any:
        return (dout * w)[..., ::-1], (dout * x[..., ::-1]).sum((0, 1))

    assert verify(backward, toy, SHAPE).label == "THIS SIZE, 28 identities, exhaustive"
    assert verify(lambda x, w: w * x[..., ::-1], toy, SHAPE).ok
    found = verify(lambda x, w: w * x, toy, SHAPE)
    assert found.label == "REFUTED" and "Mirror() at (1, 1, 2)" in found.report


COMMANDS = {
    ("prove", "Mirror", "--all-sizes"): "ALL SIZES (certificate)",
    ("prove", "Mirror()", "--input", "2,3,4"): "52 identities",
    ("prove", "--list"): "Mirror",
    ("derive", "Mirror()", "--input", "1,1,2", "--wrt", "weight"): "grad_weight[i_w]",
    ("build", "Mirror()", "--input", "2,3,4"): "Mirror()",
}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_verb_finds_it(words: tuple[str, ...], folder: Path) -> None:
    """In a fresh process, with nothing but the file's folder added."""
    path = f"import derive.layers; derive.layers.__path__.append({str(folder)!r})"
    start = f"{path}; from codegen.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", start, *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 and COMMANDS[words] in done.stdout, done.stderr
    assert not done.stderr


def test_without_the_file_it_is_unknown(tmp_path: Path) -> None:
    """What the fixture takes away is not found any more, so that other tests do not see it."""
    (tmp_path / "toy_other.py").write_text(TOY.replace("class Mirror(", "class Other("))
    derive.layers.__path__.append(str(tmp_path))
    try:
        assert prove(registry()["Other"]).ok
    finally:
        forget(tmp_path, "toy_other", "Other")
    assert "Other" not in registry()
    with pytest.raises(LayerError, match="unknown layer"):
        parse_layer("Other()")


@pytest.mark.parametrize("name", registry())
def test_the_examples_of_every_layer_are_read(name: str) -> None:
    """Each at its shape; the toy is not among the layers that other tests see."""
    kind = registry()[name]
    assert name != "Mirror" and kind.examples
    for text, shape in kind.examples:
        layer = parse_layer(text)
        assert type(layer) is kind and parse_layer(repr(layer)) == layer
        assert isinstance(layer.output_shape(shape), tuple)
