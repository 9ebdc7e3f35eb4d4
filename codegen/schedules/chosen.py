"""Owns bodies of CLIP that are more than sums of products: functions, differences, choices, selection.

An indicator is a choice: where the code is another the product is replaced by zero, so that nothing that is
not taken can spoil the sum. The first largest entry is found by comparing and copying.
"""

from __future__ import annotations

from dataclasses import dataclass

from codegen.algebra import slope
from codegen.loops import Assign, Call, Do, Pointer, Statement
from codegen.schedules.body import Body
from codegen.schedules.nest import Access, Choice, Function, mark
from codegen.schedules.steps import Plan
from derive.index import Form

GATES = ("relu_prime", "hardtanh_prime")
"""Derivatives that are 0 or 1: where one is 0 the gradient is 0, as PyTorch's, were it infinite before."""

Op = tuple[int, str, Call]
"""A level of the loops, the name of a value, and the operation that gives it."""


@dataclass(frozen=True)
class Applied(Body):
    """Sums and differences of products of entries and functions of entries, chosen by indicators."""

    def statements(self, number: int, before: list[list[Statement]]) -> tuple[Statement, ...]:
        *body, store = super().statements(number, before)
        return (*body, *self.ended(self.word("total"), before), store)

    def word(self, text: str) -> str:
        return f"{self.kind}_{text}"

    def ended(self, total: str, before: list[list[Statement]]) -> tuple[Statement, ...]:
        """The function of the whole sum, if there is one."""
        after = self.clip.ending.after
        if after is None:
            return ()
        parameters = self.parameters(after)
        before[0] += [s for s in _assigned(parameters) if s not in before[0]]
        return (Assign(total, Call(self.word(f"fn_{after.name}"), (total, *(v for _, v, _ in parameters)))),)

    def parameters(self, function: Function) -> list[Op]:
        """The parameters of a function, read before all loops."""
        how = "v_splat" if self.kind == "v" else "e_load"
        return [(0, self.word(f"q_{p.at}"), Call(how, (p,))) for p in function.parameters]

    def starts(self, plan: Plan) -> bool:
        """Whether the total can start with a term, so that no zero is added to it."""
        return not plan.steps and not plan.tests and not plan.term.minus

    def products(self, plan: Plan, levels: list[list[Statement]], first: bool) -> None:
        ops, chain = self.product(plan, len(levels) - 1)
        for number, choice in enumerate(plan.term.choices):
            chosen, chain = self.chosen(plan, choice, number, chain, len(levels) - 1)
            ops += chosen
        total = self.word("total")
        level, _, last = ops[-1]
        if first and plan.term.choices:  # a sum that begins with zero: of a -0 that was chosen 0 is left
            ops.append((len(levels) - 1, total, Call(self.word("add"), (self.word("nought"), chain))))
        elif first:
            ops[-1] = (len(levels) - 1, total, last)
        elif last.operation == self.word("mul") and not plan.term.minus:
            ops[-1] = (len(levels) - 1, total, Call(self.word("fma"), (total, *last.arguments)))
        else:
            how = self.word("sub" if plan.term.minus else "add")
            ops.append((len(levels) - 1, total, Call(how, (total, chain))))
        for level, value, call in ops:
            levels[level].append(Assign(value, call))

    def product(self, plan: Plan, innermost: int) -> tuple[list[Op], str]:
        """Each factor read where its last index is known, multiplied to those known before it."""
        known = [(self.known(plan, a, innermost), i, a) for i, a in enumerate(plan.term.factors)]
        ops: list[Op] = []
        chain = ""
        for level, i, access in sorted(known, key=lambda k: (k[0], _gates(k[2]), k[1])):
            value = self.word(f"{plan.number}_{i}")
            ops += self.read(level, value, access)
            if chain:
                partial = self.word(f"{plan.number}_p{i}")
                how = "gate" if _gates(access) else "mul"
                ops.append((level, partial, Call(self.word(how), (chain, value))))
                chain = partial
            else:
                chain = value
        return ops, chain

    def read(self, level: int, value: str, access: Access) -> list[Op]:
        """An entry, and its function."""
        function = access.function
        if function is None:
            return [(level, value, self.loaded(value, access))]
        parameters, raw = self.parameters(function), f"{value}_raw"
        call = Call(self.word(f"fn_{function.name}"), (raw, *(v for _, v, _ in parameters)))
        return [*parameters, (level, raw, self.loaded(raw, access)), (level, value, call)]

    def loaded(self, value: str, access: Access) -> Call:
        statement = self.load(value, access)
        assert isinstance(statement, Assign)
        return statement.value

    def chosen(
        self, plan: Plan, choice: Choice, number: int, product: str, innermost: int
    ) -> tuple[list[Op], str]:
        """The product where the code is the value, zero elsewhere."""
        words = {w: self.word(f"{plan.number}_{w}{number}") for w in ("code", "flag", "here", "kept")}
        nought = self.word("nought")
        at_code = self.known(plan, choice.code, innermost)
        ops: list[Op] = [
            (0, nought, Call(self.word("zero"))),
            (at_code, words["code"], self.loaded(words["code"], choice.code)),
            (innermost, words["here"], self.index(choice.value)),
            (innermost, words["flag"], Call(self.word("same"), (words["code"], words["here"]))),
            (innermost, words["kept"], Call(self.word("choose"), (words["flag"], product, nought))),
        ]
        return ops, words["kept"]

    def index(self, value: Form) -> Call:
        """A whole number as a value; along the line it moves with the lanes."""
        if self.kind == "e":
            return Call("e_index", (value,))
        return Call("v_index", (value, slope(value, self.clip.line)))

    def stored(self, access: Access, value: str) -> Statement:
        """A value stored where an access says."""
        pointer = Pointer(access.buffer, access.at)
        by = access.slope(self.clip.line)
        if self.kind == "v" and by != 1:
            return Do(Call("v_store_strided", (pointer, value, self.count, by)))
        if self.kind == "v" and self.count < self.clip.target.lanes:
            return Do(Call("v_store_part", (pointer, value, self.count)))
        return Do(Call(f"{self.kind}_store", (pointer, value)))


@dataclass(frozen=True)
class Selecting(Applied):
    """The first largest (or smallest) entry of those that the loops pass, and the value of its choice."""

    def statements(self, number: int, before: list[list[Statement]]) -> tuple[Statement, ...]:
        best, code = self.word("best"), self.word("code")
        body: list[Statement] = [
            mark(number),
            Assign(best, Call(self.word("zero"))),
            Assign(code, self.index(Form.of(-1))),
        ]
        for plan in self.clip.plans:
            body += self.term(plan, before, False)
        body += self.ended(best, before)
        body.append(self.stored(self.clip.out, best))
        if self.clip.ending.codes is not None:
            body.append(self.stored(self.clip.ending.codes, code))
        return tuple(body)

    def products(self, plan: Plan, levels: list[list[Statement]], first: bool) -> None:
        """One entry compared with the best so far, and taken where it is better."""
        ops, value = self.product(plan, len(levels) - 1)
        best, code, flag, here = map(self.word, ("best", "code", "flag", "here"))
        better = self.word("larger" if self.clip.ending.first == "largest" else "smaller")
        deepest = len(levels) - 1
        ops += [
            (deepest, flag, Call(better, (code, best, value))),
            (deepest, here, self.index(plan.term.choices[0].value)),
            (deepest, best, Call(self.word("choose"), (flag, value, best))),
            (deepest, code, Call(self.word("choose"), (flag, here, code))),
        ]
        for level, name, call in ops:
            levels[level].append(Assign(name, call))


def _gates(access: Access) -> bool:
    """Whether an entry is multiplied by last, and nothing passes where it is 0."""
    return access.function is not None and access.function.name in GATES


def _assigned(ops: list[Op]) -> list[Statement]:
    return [Assign(value, call) for _, value, call in ops]
