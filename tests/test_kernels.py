"""Compiled kernels, bit for bit against plain NumPy on whole numbers: several layers share one module."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conv_reference import operands, random_layer, reference
from jinja2 import Environment, StrictUndefined, nodes

from codegen import compile
from codegen.lexical import gate
from codegen.loops import Kernel
from codegen.lower import kernel_name, lower
from codegen.schedules.nest import Target
from codegen.targets.cython import printer
from derive.instance import claim_at
from derive.layers.conv import Conv2d

FIXED = (
    (Conv2d(1, 6, 5, padding=2), (1, 1, 28, 28)),
    (Conv2d(6, 16, 5), (1, 6, 14, 14)),
    (Conv2d(2, 3, 3, stride=2, padding=1), (2, 2, 9, 37)),
    (Conv2d(4, 4, 3, padding=1, groups=4, bias=False), (1, 4, 8, 8)),
    (Conv2d(3, 2, 1), (3, 5, 7)),
    (Conv2d(1, 2, (2, 1), stride=(1, 3), dilation=2, padding=((2, 0), (0, 3))), (1, 1, 5, 20)),
    # windows that read padding alone on an axis
    (Conv2d(1, 1, 1, stride=3, padding=1), (1, 1, 1, 4)),
    (Conv2d(3, 3, (3, 1), stride=(5, 1), padding=((4, 0), (2, 5)), groups=3), (2, 3, 3, 20)),
    (Conv2d(1, 1, (3, 1), stride=(1, 3), padding=((0, 1), (1, 1)), dilation=(1, 2)), (1, 1, 3, 2)),
    (Conv2d(1, 2, (2, 3), stride=(5, 3), padding=((3, 4), (5, 7)), dilation=(2, 3)), (1, 1, 1, 5)),
)
ISA_NAMES = [n for n, i in compile.ISAS.items() if i.needs <= compile.cpu_features()]


class Batch:
    """Kernels of several layers in one module, each name followed by the layer's number."""

    def __init__(
        self, folder: Path, dtype: str, isa: compile.Isa, layers: list[tuple[Conv2d, tuple[int, ...]]]
    ) -> None:
        self.layers, self.dtype = layers, dtype
        self.target = Target(isa.lanes(dtype), isa.accumulators, isa.registers)
        self.kernels: dict[tuple[int, str], Kernel] = {}
        for number, (layer, shape) in enumerate(layers):
            for key, claim in layer.claims(**layer.choices(shape)).items():
                kernel = lower(key, claim_at(claim, layer.sizes(shape)), self.target)
                self.kernels[number, key] = replace(kernel, name=f"{kernel.name}_{number}")
        self.text = printer.module_text("a batch", ("for tests",), list(self.kernels.values()))
        self.module = self.compiled(folder, self.text, isa)

    def compiled(self, folder: Path, text: str, isa: compile.Isa) -> ModuleType:
        pyx = folder / "batch.pyx"
        pyx.write_text(text)
        c_path = compile.to_c(pyx, "batch")
        element = {"float32": "BF_ELEMENT_FLOAT", "float64": "BF_ELEMENT_DOUBLE"}[self.dtype]
        compile.to_binary(c_path, folder / "batch.so", isa, (element, f"BF_LANES={self.target.lanes}"))
        return compile.load("batch", folder / "batch.so")

    def wrong(self, module: ModuleType, number: int, seed: int) -> list[str]:
        """Claim keys whose compiled result differs from the reference, from poisoned memory and again."""
        layer, shape = self.layers[number]
        data = operands(layer, shape, seed, self.dtype)
        exact = reference(layer, operands(layer, shape, seed, object))
        found = []
        for key in layer.claims(**layer.choices(shape)):
            kernel = self.kernels[number, key]
            margin = 64
            workspace = np.zeros(kernel.workspace + 2 * margin, self.dtype)
            whole = np.zeros(kernel.out.count + 2 * margin, self.dtype)
            module.poison(workspace)
            module.poison(whole)
            before = (whole[:margin].tobytes(), workspace[-margin:].tobytes())
            for _ in range(2):
                call = getattr(module, f"call_{kernel.name}")
                arrays = [data[b.name] for b in kernel.operands]
                call(whole[margin:-margin], *arrays, workspace[margin:-margin])
                if (whole[margin:-margin] != exact[key].astype(self.dtype)).any():
                    found.append(key)
            assert (whole[:margin].tobytes(), workspace[-margin:].tobytes()) == before, (
                "written beside a buffer"
            )
        return found


def random_layers(first: int, count: int) -> list[tuple[Conv2d, tuple[int, ...]]]:
    return [random_layer(random.Random(first + i), 40) for i in range(count)]


CASES = [
    *((isa, "float32", (*FIXED, *random_layers(100, 6))) for isa in ISA_NAMES[:1]),
    *((isa, "float64", (*FIXED[1:3], *random_layers(200, 5))) for isa in ISA_NAMES[:1]),
    *((isa, "float32", (*FIXED[2:4], *random_layers(300, 3))) for isa in ISA_NAMES[1:]),
]


@pytest.fixture(scope="module", params=CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def batch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    isa, dtype, layers = request.param
    yield Batch(tmp_path_factory.mktemp("batch"), dtype, compile.ISAS[isa], list(layers))


def test_compiled_kernels_equal_plain_numpy(batch: Batch) -> None:
    for number, layer in enumerate(batch.layers):
        assert not batch.wrong(batch.module, number, number), layer


def test_the_text_passes_the_gate_and_carries_its_digest(batch: Batch) -> None:
    named = gate(batch.text)
    assert {f"bf_{k.name}" for k in batch.kernels.values()} <= set(named)
    assert len(set(named)) == len(named), "a part is a function of its own, as a kernel is"
    own = batch.module.source_digest()
    assert printer.digest(batch.text.replace(own, "")) == own
    assert batch.module.lanes() == batch.target.lanes
    assert batch.module.element_bytes() == np.dtype(batch.dtype).itemsize


def test_bodies_stay_small(batch: Batch) -> None:
    for kernel in batch.kernels.values():
        functions = printer.kernel_text(kernel).functions
        assert all(f.body for f in functions) and functions[-1].name == kernel.name
        assert max(len(f.body) for f in functions) < 64_000, kernel.name


SABOTAGE = (
    ("bf_grad_input_0_tiles_0", r"(at_w = .*)", r"\1 - 1"),
    ("bf_output_0_tiles_0", r"for t_1 in range\(5\)", "for t_1 in range(4)"),
    ("bf_grad_weight_0", r"total = v_sum\(s_0_1\)", "total = v_sum(s_0_0)"),
    ("bf_grad_bias_0", r"e_store\(out \+ at_out \+ 1", "e_store(out + at_out"),
)


def test_a_wrong_line_of_text_is_seen(tmp_path: Path) -> None:
    batch = Batch(tmp_path, "float32", compile.ISAS["portable"], [FIXED[0]])
    assert not batch.wrong(batch.module, 0, 3)
    text = batch.text
    for function, pattern, instead in SABOTAGE:
        head, mark, tail = text.partition(f"cdef void {function}(")
        body, stop, rest = tail.partition("\ndef call_")
        changed = re.sub(pattern, instead, body, count=1)
        assert changed != body, (function, pattern)
        text = head + mark + changed + stop + rest
    (tmp_path / "broken").mkdir()
    module = batch.compiled(tmp_path / "broken", text, compile.ISAS["portable"])
    assert set(batch.wrong(module, 0, 3)) == {"output", "input", "weight", "bias"}


def test_one_name_has_one_type() -> None:
    from codegen.loops import Assign, Buffer, Call

    body = (Assign("a", Call("e_zero")), Assign("a", Call("v_zero")))
    with pytest.raises(ValueError, match="both E and V"):
        printer.kernel_text(Kernel("output", Buffer("out", 1), (), (), body))


# ---------------------------------------------------------------- templates are outlines

OUTLINE = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.For,
    nodes.If,
    nodes.Filter,
    nodes.Const,
)


def not_outline(source: str) -> list[str]:
    """What a template says beside names, attributes, for, if and indent(number)."""
    found = []
    for node in Environment().parse(source).find_all(nodes.Node):
        if not isinstance(node, OUTLINE):
            found.append(type(node).__name__)
        if isinstance(node, nodes.Filter) and node.name != "indent":
            found.append(f"filter {node.name}")
        if isinstance(node, nodes.For) and (node.test or node.else_ or node.recursive):
            found.append("for with more")
    return found


def test_templates_are_outlines() -> None:
    templates = sorted((printer.HOME / "templates").glob("*.jinja"))
    assert templates
    for path in templates:
        assert not not_outline(path.read_text()), path.name
    assert printer.environment().undefined is StrictUndefined


@pytest.mark.parametrize(
    "source",
    [
        "{{ f(1) }}",
        "{% set a = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{{ a + 1 }}",
        "{{ a | upper }}",
        "{% include 'x' %}",
        "{{ a[0] }}",
        "{% for a in b if a %}{% endfor %}",
        "{{ 'x' if a else 'y' }}",
        "{% if a == 1 %}{% endif %}",
    ],
)
def test_a_template_that_does_more_is_seen(source: str) -> None:
    assert not_outline(source)


def test_kernel_names() -> None:
    assert [kernel_name(k) for k in ("output", "input")] == ["output", "grad_input"]
