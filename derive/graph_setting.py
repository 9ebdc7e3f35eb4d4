"""Owns a graph as one setting of the index language at its sizes: forward, the scalar L, backward.

Nothing is computed here and no rule is applied: the definitions and the proved closed forms of the layers are
copied with their tensors renamed. A tensor that the user sees has the user's axes: a read of channel c of
group g becomes a read of channel C*g + c (with a number for C), and a result in groups is laid out by a sum
over group and channel with an equation. Whatever else a layer needs keeps its axes and is called "node.name".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from derive.claim import Claim, Setting
from derive.errors import LayerError
from derive.expr import Definition, Expr, Partial, Read, Sum, Tensor, single
from derive.graph_language import at_zero, laid_out, plain_indices, reread, standing_on, user_tensor
from derive.graph_shapes import Placed, Plan
from derive.index import ONE, ZERO
from derive.instance import claim_at
from derive.layers.base import flat_index
from derive.layers.codes import Code, Shift
from derive.proof import Theorem
from derive.theorems import theorems

SCALAR = "L"
"""The name of what is differentiated: the sum of each output times what is given as its gradient."""


@dataclass(frozen=True)
class Use:
    """What one node sends back to one tensor that it reads.

    Attributes:
        node, operand: whose theorem it is an instance of.
        tensor: the tensor that is read.
        gradient: the definition that holds it.
        helpers: the definitions that it stands on besides the forward pass.
    """

    node: Placed
    operand: str
    tensor: str
    theorem: Theorem
    gradient: Definition
    helpers: tuple[Definition, ...]


@dataclass(frozen=True)
class Composed:
    """A graph in the index language.

    Attributes:
        forward: node -> its definitions, the tensor of the node last.
        scalar: the definition of L.
        uses: tensor -> what the nodes that read it send back, last reader first.
        gradients: tensor -> the entry's tensor that holds its gradient ("grad_output" for a bare output).
        sums: tensor -> the definition that adds what comes back, where that is more than one thing.
        tables, codes, shifts: of the layers, by the names used here.
        parameters: of functions; where two layers give one parameter two values, the first of them.
        shared: those parameters.
    """

    plan: Plan
    setting: Setting
    forward: Mapping[str, tuple[Definition, ...]]
    scalar: Definition
    uses: Mapping[str, tuple[Use, ...]]
    gradients: Mapping[str, Tensor]
    sums: Mapping[str, Definition]
    tables: Mapping[str, tuple[Fraction, ...]] = field(default_factory=dict)
    codes: Mapping[str, Code] = field(default_factory=dict)
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    parameters: Mapping[str, Fraction] = field(default_factory=dict)
    shared: tuple[str, ...] = ()

    def tensor(self, name: str) -> Tensor:
        """A tensor of the graph, with the user's axes."""
        return graph_tensor(self.plan, name)

    def claim(self, name: str) -> Claim:
        """d L / d tensor = the entry that the backward pass gives for it, at these sizes."""
        target, gradient = self.tensor(name), self.gradients[name]
        found = self.setting.definition(gradient.name)
        indices = found.indices if found is not None else plain_indices(target)
        at = tuple(i.form if i.extent != ONE else ZERO for i in indices)
        left = single(Partial(Read(self.scalar.tensor, ()), Read(target, at)))
        right = Definition(
            Tensor(f"right_{name}", target.shape, target.layout), indices, single(Read(gradient, at))
        )
        return Claim(f"gradient of {name}", self.setting, left, found or right, target)


def compose(plan: Plan, wanted: Iterable[str] | None = None) -> Composed:
    """The setting of a graph with the backward pass to the wanted tensors (all that have a gradient).

    Raises LayerError where a wanted tensor has none.
    """
    names = [t.name for t in plan.tensors.values() if t.differentiable]
    for name in wanted or ():
        if name not in names:
            raise LayerError("no such gradient", where="wrt", expected=", ".join(names), got=repr(name))
    nodes = {p.name: _Node(p, plan) for p in plan.placed}
    backward = _Backward(plan, nodes, _needed(plan, names if wanted is None else wanted))
    forward = {name: node.forward() for name, node in nodes.items()}
    scalar = _scalar(plan)
    inputs = [graph_tensor(plan, t.name) for t in plan.tensors.values() if t.kind != "node"]
    inputs += [user_tensor(title, plan.shape(name)) for name, title in plan.cotangents().items()]
    inputs += [tensor for node in nodes.values() for tensor in node.kept()]
    definitions = [d for part in forward.values() for d in part]
    parameters, shared = _parameters(plan)
    return Composed(
        plan,
        Setting((), tuple(inputs), (*definitions, scalar, *backward.definitions)),
        forward,
        scalar,
        {name: tuple(found) for name, found in backward.uses.items()},
        backward.gradients,
        backward.sums,
        {f"{p.name}.{t}": v for p in plan.placed for t, v in p.layer.tables(p.shape).items()},
        {f"{p.name}.{t}": code_of(p, c) for p in plan.placed for t, c in p.layer.codes(p.shape).items()},
        {t: shift for node in nodes.values() for t, shift in node.shifts()},
        parameters,
        shared,
    )


def _needed(plan: Plan, wanted: Iterable[str]) -> frozenset[str]:
    """The wanted tensors and the nodes on the way from them to an output."""
    found = set(wanted)
    for node in plan.placed:
        if plan.tensors[node.name].differentiable and any(t in found for _, t in node.differentiable):
            found.add(node.name)
    return frozenset(found)


def _parameters(plan: Plan) -> tuple[dict[str, Fraction], tuple[str, ...]]:
    """The parameters of functions, and those of which layers have several values."""
    found: dict[str, Fraction] = {}
    shared = []
    for placed in plan.placed:
        for name, value in placed.layer.parameters().items():
            if found.setdefault(name, value) != value:
                shared.append(name)
    return found, tuple(dict.fromkeys(shared))


def code_of(placed: Placed, code: Code) -> Code:
    """A layer's code with the operand as it is called in the graph."""
    return replace(code, operand=placed.reads.get(code.operand, f"{placed.name}.{code.operand}"))


class _Node:
    """One node: its claims at sizes, and how its tensors are called in the graph."""

    def __init__(self, placed: Placed, plan: Plan) -> None:
        self.placed, self.plan = placed, plan
        layer, sizes = placed.layer, placed.layer.sizes(placed.shape)
        self.theorems = theorems(type(layer), layer.choices(placed.shape))
        self.claims = {key: claim_at(t.claim, sizes) for key, t in self.theorems.items()}
        self.output = self.claims["output"]
        self.users = dict(placed.reads) | {"output": placed.name}
        self.made: dict[str, Definition] = {}

    def called(self, tensor: Tensor, gradient: Tensor | None = None) -> Tensor:
        """The graph's tensor for one of the layer's."""
        if tensor.name == "grad_output" and gradient is not None:
            return gradient
        if tensor.name in self.users:
            return graph_tensor(self.plan, self.users[tensor.name])
        return replace(tensor, name=f"{self.placed.name}.{tensor.name}")

    def kept(self) -> list[Tensor]:
        """Inputs of the claims that are no operands: tables, indicators, shifts."""
        given = self.output.setting.inputs
        return [self.called(t) for t in given if t.name not in self.users and t.name != "grad_output"]

    def shifts(self) -> list[tuple[str, Shift]]:
        """The node's free shifts, with the source and its axis as they are in the graph."""
        found = []
        tensors = {t.name: t for t in self.output.setting.inputs}
        for name, shift in self.placed.layer.shifts(self.placed.shape).items():
            source, axis = f"{self.placed.name}.{shift.source}", shift.axis
            if shift.source in self.users:
                layout = tensors[shift.source].layout
                axis = next(i for i, group in enumerate(layout) if axis % len(layout) in group)
                source = called(self.plan, self.users[shift.source])
            found.append((f"{self.placed.name}.{name}", Shift(source, axis)))
        return found

    def forward(self) -> tuple[Definition, ...]:
        """The definitions that the output stands on, and the output with the user's axes."""
        setting = self.output.setting
        stages = [d for d in setting.definitions if d.tensor.name in standing_on("output", setting)]
        found = [self.renamed(d) for d in stages]
        self.made |= {d.tensor.name: d for d in found}
        output = setting.definition("output")
        assert output is not None, "every layer defines its output"
        return (*found, *laid_out(self.body(output, None), self.called(output.tensor)))

    def renamed(self, definition: Definition, gradient: Tensor | None = None) -> Definition:
        return replace(self.body(definition, gradient), tensor=self.called(definition.tensor))

    def body(self, definition: Definition, gradient: Tensor | None) -> Definition:
        def read(entry: Read) -> Read:
            called = self.called(entry.tensor, gradient)
            user = entry.tensor.name in self.users or entry.tensor.name == "grad_output"
            return Read(called, flat_index(entry.tensor, entry.index) if user else entry.index)

        return replace(definition, body=reread(definition.body, read))

    def backward(self, operand: str, title: str, gradient: Tensor) -> Use:
        """The node's theorem for an operand, `gradient` in the place of grad_output, called `title`."""
        claim, tensor = self.claims[operand], self.placed.reads[operand]
        needed = standing_on(claim.right, claim.setting) - standing_on("output", claim.setting) - {"output"}
        helpers = []
        for definition in claim.setting.definitions:
            if definition.tensor.name in needed and definition.tensor.name not in self.users:
                made = self.renamed(definition, gradient)
                if made.tensor.name not in self.made:
                    helpers.append(made)
                elif self.made[made.tensor.name] != made:
                    raise LayerError(
                        "one helper, two definitions", where=str(self.placed.node), got=str(made.left)
                    )
                self.made.setdefault(made.tensor.name, made)
        target = user_tensor(title, self.plan.shape(tensor))
        *inner, last = laid_out(self.body(claim.right, gradient), target)
        return Use(self.placed, operand, tensor, self.theorems[operand], last, (*helpers, *inner))


class _Backward:
    """The backward pass: from the last node to the first, each tensor's gradient from what reads it."""

    def __init__(self, plan: Plan, nodes: Mapping[str, _Node], needed: frozenset[str]) -> None:
        self.plan, self.definitions = plan, list[Definition]()
        self.uses: dict[str, list[Use]] = {}
        self.gradients: dict[str, Tensor] = {}
        self.sums: dict[str, Definition] = {}
        counts = self._counts(needed)
        for name, title in plan.cotangents().items():
            if counts.get(name, 0) == 0:
                self.gradients[name] = user_tensor(title, plan.shape(name))
        for placed in reversed(plan.placed):
            if placed.name not in needed:
                continue
            self._total(placed.name, counts)
            for operand, tensor in placed.differentiable:
                if tensor in needed:
                    alone = counts[tensor] == 1 and tensor not in plan.graph.outputs
                    title = f"grad_{called(plan, tensor)}" if alone else f"{placed.name}.grad_{operand}"
                    use = nodes[placed.name].backward(operand, title, self.gradients[placed.name])
                    self.definitions += [*use.helpers, use.gradient]
                    self.uses.setdefault(tensor, []).append(use)
        for found in plan.tensors.values():
            if found.kind != "node" and found.name in needed:
                self._total(found.name, counts)

    def _counts(self, needed: frozenset[str]) -> dict[str, int]:
        """How often a tensor is read by what leads to an output."""
        counts: dict[str, int] = {}
        for placed in self.plan.placed:
            if placed.name in needed:
                for _, tensor in placed.differentiable:
                    counts[tensor] = counts.get(tensor, 0) + 1
        return counts

    def _total(self, name: str, counts: Mapping[str, int]) -> None:
        """The gradient of a tensor, all its uses known: the only thing that comes back, or a sum."""
        if name in self.gradients:
            return
        uses = self.uses.get(name, [])
        parts = [u.gradient.tensor for u in uses]
        if name in self.plan.graph.outputs:
            parts.insert(0, user_tensor(self.plan.cotangents()[name], self.plan.shape(name)))
        if len(parts) == 1:
            self.gradients[name] = parts[0]
            return
        target = user_tensor(f"grad_{called(self.plan, name)}", self.plan.shape(name))
        indices = plain_indices(target)
        terms = tuple(Sum((), (), (Read(part, at_zero(indices)),)) for part in parts)
        added = Definition(target, indices, Expr(terms), f"one term for each use of {name}")
        self.gradients[name], self.sums[name] = target, added
        self.definitions.append(added)


def _scalar(plan: Plan) -> Definition:
    terms = []
    for name, title in plan.cotangents().items():
        output, given = graph_tensor(plan, name), user_tensor(title, plan.shape(name))
        indices = tuple(i for i in plain_indices(output) if i.extent != ONE)
        at = at_zero(plain_indices(output))
        terms.append(Sum(indices, (), (Read(given, at), Read(output, at))))
    return Definition(
        Tensor(SCALAR, ()), (), Expr(tuple(terms)), "what is differentiated, linear in the outputs"
    )


def called(plan: Plan, name: str) -> str:
    """A tensor's name in formulas: what the node 3 of a Sequential gives is 3.output there."""
    return f"{name}.output" if plan.tensors[name].kind == "node" and name[0].isdigit() else name


def graph_tensor(plan: Plan, name: str) -> Tensor:
    return user_tensor(called(plan, name), plan.shape(name))
