"""Graphs as objects: text, order, shapes, and what is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command import backflip
from graph_cases import BRANCHES, CASES, CNN, PLACES, REFRESHER, RESIDUAL, SHARED, SOFT, TWICE

from derive import Graph, Sequential, parse_layer
from derive.errors import LayerError
from derive.graph_shapes import plan
from derive.layers import registry

LAYERS = registry()
Add, Concat, Conv2d, Linear, Mul, ReLU = (
    LAYERS[name] for name in ("Add", "Concat", "Conv2d", "Linear", "Mul", "ReLU")
)
TEXTS = (BRANCHES, CNN, PLACES, REFRESHER, RESIDUAL, SHARED, SOFT, TWICE)


@pytest.mark.parametrize("text", TEXTS)
def test_text_and_object_are_the_same(text: str) -> None:
    graph = parse_layer(text)
    assert parse_layer(repr(graph)) == graph
    assert hash(parse_layer(text)) == hash(graph)
    assert graph != parse_layer(TEXTS[TEXTS.index(text) - 1])


def test_python_and_text_agree() -> None:
    nodes = {"a": (Conv2d(2, 2, 3, padding=1), "x"), "s": (Add(), "a", "x")}
    assert Graph(inputs=("x",), nodes=nodes, outputs=("s",)) == parse_layer(RESIDUAL)
    assert Sequential(Conv2d(1, 2, 2), ReLU()) == parse_layer("nn.Sequential(nn.Conv2d(1, 2, 2), ReLU())")


@pytest.mark.filterwarnings("ignore")
def test_what_torch_prints_is_read() -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    inner = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))
    printed = str(nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(inplace=True), inner))
    read = parse_layer(printed)
    assert [node.name for node in read.order] == ["0", "1", "2.0", "2.1"]
    wanted = Sequential(Conv2d(1, 2, (2, 2)), ReLU(), Sequential(LAYERS["Flatten"](), Linear(8, 3)))
    assert plan(read, (1, 1, 3, 3)).tensors == plan(wanted, (1, 1, 3, 3)).tensors
    from collections import OrderedDict

    named = parse_layer(str(nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 2), act=nn.ReLU()))))
    assert plan(named, (1, 1, 3, 3)).wanted == ("input", "conv.weight", "conv.bias")
    assert parse_layer(repr(named)) == named


def test_nodes_run_after_what_they_read() -> None:
    nodes = {"s": (Add(), "a", "x"), "a": (ReLU(), "x"), "r": (ReLU(), "s")}
    assert [node.name for node in Graph("x", nodes, "r").order] == ["a", "s", "r"]


def test_tensors_of_a_graph() -> None:
    made = plan(parse_layer(SHARED), {"x": (1, 2, 2, 3)})
    assert {t.name: (t.shape, t.kind) for t in made.tensors.values()} == {
        "x": ((1, 2, 2, 3), "input"),
        "a.weight": ((2, 2, 1, 3), "given"),
        "a.bias": ((2,), "given"),
        "a": ((1, 2, 2, 3), "node"),
        "t": ((1, 2, 2, 3), "node"),
        "b": ((1, 2, 2, 3), "node"),
        "s": ((1, 2, 2, 3), "node"),
    }
    assert made.wanted == ("x", "a.weight", "a.bias")


def test_inputs_that_a_layer_determines_may_be_left_out() -> None:
    graph = Graph(("x", "t"), {"l": (LAYERS["CrossEntropyLoss"](), "x", "t")}, "l")
    made = plan(graph, {"x": (4, 3)})
    assert (made.shape("t"), made.tensors["t"].dtype, made.shape("l")) == ((4,), "int64", ())
    assert made.wanted == ("x",)
    soft = plan(graph, {"x": (4, 3), "t": (4, 3)})
    assert soft.tensors["t"].dtype == "floating" and "target" not in soft.placed[0].layer.codes((4, 3))


def test_the_other_part_of_a_concat_may_differ() -> None:
    graph = Graph(("x", "y"), {"c": (Concat(), "x", "y")}, "c")
    assert plan(graph, {"x": (1, 2, 3, 3), "y": (1, 5, 3, 3)}).shape("c") == (1, 7, 3, 3)


def test_training_mode_reaches_every_layer() -> None:
    graph = Sequential(LAYERS["BatchNorm1d"](3), LAYERS["Dropout"](0.5))
    assert [p.layer.training for p in plan(graph, (4, 3), training=True).placed] == [True, True]
    assert not plan(graph, (4, 3)).placed[0].layer.training


def nested(layer: Any) -> Graph:
    return Graph("x", {"a": (layer, "x")}, "a")


REFUSED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "cycle": (
        lambda: Graph("x", {"a": (Add(), "x", "b"), "b": (Add(), "x", "a")}, "b"),
        ("cycle", "a reads b reads a"),
    ),
    "cycle of one": (lambda: Graph("x", {"a": (Add(), "x", "a")}, "a"), ("cycle", "a reads a")),
    "unknown tensor": (lambda: Graph("x", {"a": (Add(), "x", "q")}, "a"), ("no such tensor", "q")),
    "unknown output": (lambda: Graph("x", {"a": (ReLU(), "x")}, "b"), ("no such output", "b")),
    "input as output": (lambda: Graph("x", {"a": (ReLU(), "x")}, ("a", "x")), ("x, an input",)),
    "unused node": (
        lambda: Graph("x", {"a": (ReLU(), "x"), "b": (ReLU(), "x")}, "a"),
        ("a node that no output needs", "node b"),
    ),
    "unused input": (lambda: Graph(("x", "y"), {"a": (ReLU(), "x")}, "a"), ("that no output", "input y")),
    "input twice": (lambda: Graph(("x", "x"), {"a": (ReLU(), "x")}, "a"), ("twice", "inputs")),
    "output twice": (lambda: Graph("x", {"a": (ReLU(), "x")}, ("a", "a")), ("given twice", "outputs")),
    "node called x": (lambda: Graph("x", {"x": (ReLU(), "x")}, "x"), ("one name for two",)),
    "name with a space": (lambda: Graph("x", {"a b": (ReLU(), "x")}, "a b"), ("not a name",)),
    "name that is taken": (lambda: Graph("x", {"grad_a": (ReLU(), "x")}, "grad_a"), ("something else",)),
    "no outputs": (lambda: Graph("x", {"a": (ReLU(), "x")}), ("no names", "outputs")),
    "no nodes": (lambda: Graph("x", {}, "a"), ("no nodes",)),
    "no layer": (lambda: Graph("x", {"a": ("x",)}, "a"), ("not a node", "node a")),
    "a class": (lambda: nested(ReLU), ("not a node", "node a")),
    "a Sequential inside": (lambda: nested(Sequential(ReLU())), ("not a node", "give its layers as nodes")),
    "weights of nobody": (lambda: nested("b"), ("share the weights of", "node a", "'b'")),
    "weights of itself": (lambda: nested("a"), ("share the weights of", "node a")),
    "empty Sequential": (lambda: Sequential(), ("no layers",)),
    "shape of nothing": (lambda: plan(parse_layer(REFRESHER), {"w": (1,)}), ("no such input", "'w'")),
    "no shape": (lambda: plan(parse_layer(REFRESHER), {"z": (1,)}), ("without a shape", "x", "node q")),
    "a number": (lambda: plan(parse_layer(RESIDUAL), 3), ("not a shape",)),
    "shapes that differ": (
        lambda: plan(parse_layer(REFRESHER), {"x": (2,), "y": (3,)}),
        ("shapes do not fit", "node q", "(2,)", "(3,)"),
    ),
    "channels": (
        lambda: plan(Sequential(Conv2d(1, 2, 2), ReLU(), Conv2d(3, 1, 2)), (1, 1, 5, 5)),
        ("wrong number of channels", "node 2", "whose input 1", "in_channels=3"),
    ),
    "two tensors": (lambda: plan(Sequential(Add()), (3,)), ("two tensors", "node 0", "a Graph")),
    "too many": (
        lambda: plan(Graph(("x", "y"), {"a": (ReLU(), "x", "y")}, "a"), (3,)),
        ("too many tensors", "node a", "x, y"),
    ),
    "classes as numbers": (
        lambda: plan(
            Graph(("x", "t"), {"r": (ReLU(), "t"), "l": (LAYERS["CrossEntropyLoss"](), "x", "t"),
                               "m": (Mul(), "r", "r")}, ("l", "m")),
            {"x": (4, 3), "t": (4,)},
        ),
        ("one tensor of two kinds", "node l", "int64"),
    ),
    "places that nobody gives": (
        lambda: plan(parse_layer(PLACES.replace(", return_indices=True", "")), (1, 1, 4, 4)),
        ("no such tensor", "p.indices", "return_indices=True"),
    ),
    "shared weights that do not fit": (
        lambda: plan(Graph("x", {"a": (Linear(3, 2), "x"), "b": ("a", "a")}, "b"), (1, 3)),
        ("wrong number of features", "node b"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    make, words = REFUSED[case]
    with pytest.raises(LayerError) as refusal:
        make()
    for word in words:
        assert word in str(refusal.value), str(refusal.value)
    assert refusal.value.where, "an error says where"


TEXTS_REFUSED = {
    "Sequential()": ("no layers",),
    "Sequential(ReLU(), x=3)": ("no named arguments", "x"),
    "Sequential(ReLU(), Rlu())": ("unknown layer", "layer 1", "ReLU"),
    "Sequential(ReLU(), 3)": ("not a layer", "layer 1"),
    "Sequential(ReLU(),": ("not a composition",),
    "Sequential(*[ReLU()])": ("not a layer",),
    "Graph(inputs=('x',), nodes={'a': (ReLU(), 'x')})": ("outputs missing",),
    "Graph(inputs=('x',), nodes=[1], outputs='a')": ("nodes are not a dict",),
    "Graph(inputs=x, nodes={'a': (ReLU(), 'x')}, outputs='a')": ("not a name",),
    "Graph('x', {'a': (ReLU(), 'x'), 'a': (ReLU(), 'x')}, 'a')": ("one name for two nodes", "a"),
    "Graph('x', {'a': ReLU()}, 'a')": ("not a node",),
    "Graph('x', {**{}}, 'a')": ("not a name",),
    "Graph('x', {'a': (ReLU(), 'x')}, 'a', more=1)": ("no such argument", "more"),
    "Graph('x', {'a': (__import__('os'), 'x')}, 'a')": ("unknown layer", "node a"),
    "LeNet( (conv): Conv2d(1, 2, 2) (act): ReLU() )": ("any order", "LeNet", "a Graph"),
    "Sequential( (0): ReLU() (1) )": ("not a layer",),
    "Sequential( (0): ReLU( )": ("ends too soon",),
    f"Sequential({'ReLU(), ' * 9000})": ("text too long",),
}


@pytest.mark.parametrize("text", TEXTS_REFUSED)
def test_texts_refused(text: str) -> None:
    with pytest.raises(LayerError) as refusal:
        parse_layer(text)
    for word in TEXTS_REFUSED[text]:
        assert word in str(refusal.value), str(refusal.value)


def test_command_line(tmp_path: Path) -> None:
    run = partial(backflip, cwd=tmp_path)
    said = run("derive", REFRESHER, "--input", "x=1", "--input", "z=1")
    assert said.code == 0 and "∂L/∂q[0] = grad_q[0]" in said.out, said.err
    said = run("prove", REFRESHER, "--input", "x=1", "--input", "z=1")
    assert said.code == 0 and "THIS SIZE, 3 identities, exhaustive" in said.out, said.err
    said = run("derive", CASES["soft"].text, "--input", "2,1,2,2", "--wrt", "1.weight", "--format", "md")
    assert said.code == 0 and "1.weight" in said.out and "1.bias}" not in said.out, said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("derive", REFRESHER, "--input", "x=1", "--input", "x=1"), "one name twice"),
        (("derive", REFRESHER, "--input", "x=1", "--input", "1"), "without names"),
        (("derive", REFRESHER, "--input", "x=1", "--input", "z=1", "--wrt", "f.weight"), "no such gradient"),
        (("derive", RESIDUAL, "--input", "1,2,3,3", "--matrix"), "one layer"),
        (("prove", RESIDUAL, "--all-sizes"), "given shapes"),
        (("prove", RESIDUAL), "given shapes"),
        (("verify", "os:getcwd", RESIDUAL, "--input", "1,2,3,3"), "one layer"),
        (("build", "Sequential(ReLU(), Add())", "--input", "3"), "two tensors"),
    ],
)
def test_command_line_refuses(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    said = backflip(*arguments, cwd=tmp_path)
    assert said.code == 2 and words in said.err and "Traceback" not in said.err, (said.code, said.err)
