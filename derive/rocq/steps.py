"""Owns the proof of one step: for each rule the lines that Rocq replays, from the step's own arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from derive.certify import Obligation
from derive.claim import Certificate, Step
from derive.equality import same_renaming
from derive.errors import LayerError
from derive.expr import Apply, Expr, Partial, Read, Sum, substitute
from derive.index import ONE, Index
from derive.rocq.facts import Scope, Sides, all_of
from derive.rocq.lines import Lines, each
from derive.rocq.names import ZERO, Names
from derive.steps import Context, replay


@dataclass(frozen=True)
class Work:
    """One step on one term: the term, what it becomes, what must be shown, and the certificates left."""

    context: Context
    sides: Sides
    before: Sum
    after: tuple[Sum, ...]
    step: Step
    needed: list[Obligation]
    certificates: list[Certificate] = field(default_factory=list)

    @property
    def names(self) -> Names:
        return self.sides.names

    def scope(self, term: Sum) -> Scope:
        facts = len(self.context.setting.facts)
        return Scope(self.sides, facts, self.context.free, term.indices, term.conditions)

    def under(self, indices: Sequence[Index], tactic: str = "apply sum_ext; ") -> Lines:
        return [
            f"{tactic}intros {self.names.variable(i.name)} {self.names.variable(i.name)}_range; cbv beta."
            for i in indices
        ]

    @property
    def place(self) -> int:
        """Where the summed index stands that the step is about."""
        title = self.step.arguments["index"]
        return next(j for j, i in enumerate(self.before.indices) if i.name == title)

    def innermost(self, place: int, sink: str) -> Lines:
        """Under all sums but one, which goes inward by the tactic `sink`."""
        lines = self.under(self.before.indices[:place])
        return lines + [line for i in self.before.indices[place + 1 :] for line in (sink, *self.under([i]))]


def opened(work: Work) -> Lines:
    """unfold and chain: the factor is equal to a sum, and the term is linear in it."""
    names, at = work.names, work.step.arguments["factor"]
    old = work.before
    factor = old.factors[at]
    entry = factor.of if isinstance(factor, Partial) else factor
    assert isinstance(entry, Read)
    pieces = opened_pieces(work, factor)
    shared = len(old.indices)
    inner = [t.indices[shared:] for t in work.after]
    combine = "rewrite <- ?sum_add; " if len(work.after) > 1 else ""
    tactic = f"{combine}apply sum_ext; " if work.after else "apply sum_zero; "
    lines = work.under(old.indices, tactic)
    rule = (
        f"rewrite chain_{entry.tensor.name}; "
        if isinstance(factor, Partial)
        else f"unfold Definitions.{names.tensor(entry.tensor.name)}; "
    )
    lines += [
        f"pose (_f := fun _x : R => {names.body(old, at)}).",
        "assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).",
        f"assert (_U : {names.factor(factor)} = {' +! '.join(pieces) or ZERO}) by ({rule}same).",
        f"match goal with |- _ = ?right_ => change (_f {names.factor(factor)} = right_) end.",
        "etransitivity; [exact (f_equal _f _U)|].",
    ]
    if not work.after:
        return [*lines, "exact (linear_zero R _f _L)."]
    lines += ["repeat rewrite (linear_add R _f _ _ _L)."] if len(pieces) > 1 else []
    return [*lines, *each([_addend(work, t, rest) for t, rest in zip(work.after, inner, strict=True)])]


def _addend(work: Work, after: Sum, inner: Sequence[Index]) -> Lines:
    own = after.conditions[len(work.before.conditions) :]
    lines = [line for i in inner for line in ("rewrite (linear_sum R _f _ _ _L).", *work.under([i]))]
    if own:
        lines.append("rewrite (linear_brk R _f _ _ _L).")
    lines.append("unfold _f.")
    if own and work.before.conditions:
        return [*lines, "rewrite brk_join. apply brk_same; [rewrite ?andb_assoc; reflexivity | algebra]."]
    return [
        *lines,
        "apply brk_same; [reflexivity | algebra]." if own or work.before.conditions else "algebra.",
    ]


def opened_pieces(work: Work, factor: Any) -> list[str]:
    """What the factor is equal to: the rule applied to the factor alone."""
    names = work.names
    alone = Expr((Sum((), (), (factor,)),))
    arguments = {**work.step.arguments, "term": 0, "factor": 0}
    after, _ = replay(work.context, alone, work.step.rule, arguments)
    return [names.term(t) for t in after.terms]


def delta(work: Work) -> Lines:
    names, step, old = work.names, work.step, work.before
    (new,) = work.after
    place = work.place
    index, hit = old.indices[place], old.conditions[step.arguments["condition"]]
    slope = hit.form.coefficient(index.name)
    point = index.form - hit.form if slope == ONE else index.form + hit.form
    lines = work.innermost(place, "sink_left.")
    scope, variable = work.scope(old), names.variable(index.name)
    kept = [names.condition(c) for c in new.conditions]
    position = step.arguments["condition"]
    with_hit = " && ".join([*kept[:position], "true", *kept[position:]])
    held = scope.condition(position)
    pinned = "pinned" if slope == ONE else "pinned_flip"
    inside = work.scope(new).within(point, index.extent, work.needed, work.certificates)
    return [
        *lines,
        "bracket_right.",
        f"apply (delta_rule R {names.atom(index.extent)} {names.atom(point)}",
        f"  (fun {variable} => {names.conditions(old.conditions)})).",
        f"- intros {variable} _c.",
        f"  exact ({pinned} _ {variable} {names.atom(point)} (zero_elim _ {held}) ltac:(ring)).",
        f"- transitivity ({with_hit}); [same_condition | rewrite ?andb_true_r, ?andb_true_l; reflexivity].",
        f"- intro _c. exact {inside}.",
        "- same.",
    ]


def guard(work: Work) -> Lines:
    old, (new,) = work.before, work.after
    forward = [work.scope(old).conditional(c, work.needed, work.certificates) for c in new.conditions]
    backward = [work.scope(new).conditional(c, work.needed, work.certificates) for c in old.conditions]
    return [
        *work.under(old.indices),
        "bracket_left. bracket_right. apply guard_rule; intro _c.",
        f"- exact {all_of(forward)}.",
        f"- exact {all_of(backward)}.",
    ]


def reindex(work: Work) -> Lines:
    names, arguments, old = work.names, work.step.arguments, work.before
    (new,) = work.after
    place = work.place
    lines = work.innermost(place, "sink_both.")
    was, now = old.indices[place], new.indices[place]
    v, w = names.variable(was.name), names.variable(now.name)
    forward, backward = arguments["forward"], arguments["backward"]
    inside = work.scope(new).within(forward, was.extent, work.needed, work.certificates)
    back = work.scope(old).within(backward, now.extent, work.needed, work.certificates)
    return [
        *lines,
        "bracket_left. bracket_right.",
        f"apply (reindex_rule R _ _ (fun {v} => {names.conditions(old.conditions)})",
        f"  (fun {w} => {names.conditions(new.conditions)})",
        f"  _ _ (fun {w} => {names.form(forward)}) (fun {v} => {names.form(backward)})).",
        f"- intros {v} {v}_range _c. exact {back}.",
        f"- intros {w} {w}_range _c. exact {inside}.",
        f"- intros {v}. ring.",
        f"- intros {w}. ring.",
        f"- intros {w}. cbv beta. same_condition.",
        f"- intros {w}. cbv beta. same.",
    ]


def reorder(have: Sequence[str], want: Sequence[str]) -> Lines:
    """Swaps of neighbouring sums that bring the left side's indices into the wanted order."""
    current, lines = list(have), []
    for target, title in enumerate(want):
        for depth in range(current.index(title) - 1, target - 1, -1):
            current[depth], current[depth + 1] = current[depth + 1], current[depth]
            lines.append(f"swap at {depth}.")
    return lines


def cancel(work: Work) -> Lines:
    """T * 1/T = 1, the entry standing there as its body: the term is linear in the entry."""
    names, arguments, old = work.names, work.step.arguments, work.before
    (new,) = work.after
    at, spare, taken = arguments["factor"], arguments["spare"], arguments["indices"]
    inverse = old.factors[at]
    assert isinstance(inverse, Apply)
    entry = inverse.of
    body = work.context.bodies(entry)[0]
    kept = [i for i in old.indices if i.name not in taken]
    sums = [next(i for i in old.indices if i.name == n) for n in taken]
    rest = [names.factor(f) for j, f in enumerate(old.factors) if j != at and j not in spare]
    whole = [*rest, names.factor(inverse)]
    guard_text = f"[{names.conditions(old.conditions)}] " if old.conditions else ""
    opened_entry = Sum(tuple(sums), (), tuple(old.factors[j] for j in spare), body.coefficient)
    hole = names.product(new.coefficient, [*whole, "_x"])
    lines = reorder([i.name for i in old.indices], [*(i.name for i in kept), *taken])
    lines += work.under(kept)
    inv = " ".join([f"inv_{entry.tensor.name}", *map(names.atom, entry.index), *_ranges(work, entry)])
    unit = names.product(new.coefficient, rest)
    steps = [line for i in sums for line in ("rewrite (linear_sum R _f _ _ _L).", *work.under([i]))]
    return [
        *lines,
        "symmetry.",
        f"pose (_f := fun _x : R => {guard_text}({hole})).",
        "assert (_L : linear R _f) by (unfold _f, linear; split; intros; open_brackets; algebra).",
        f"assert (_U : {names.factor(entry)} = {names.term(opened_entry)})",
        f"  by (unfold Definitions.{names.tensor(entry.tensor.name)}; same).",
        f"transitivity (_f {names.factor(entry)}).",
        f"{{ unfold _f. {'apply brk_same; [reflexivity|].' if old.conditions else ''}",
        f"  transitivity ({unit} *! ({names.factor(entry)} *! {names.factor(inverse)}));",
        f"    [rewrite ({inv}); algebra | algebra]. }}",
        "etransitivity; [exact (f_equal _f _U)|].",
        *steps,
        "unfold _f.",
        "apply brk_same; [reflexivity | algebra]." if old.conditions else "algebra.",
    ]


def _ranges(work: Work, entry: Read) -> list[str]:
    """Proofs that the entry is inside its tensor, where each place is an index that runs over that axis."""
    found = []
    free = {i.name: i for i in work.context.free}
    summed = {i.name: i for i in work.before.indices}
    for form, extent in zip(entry.index, entry.tensor.shape, strict=True):
        title = next(iter(form.names), "")
        index = summed.get(title) or free.get(title)
        if index is None or index.form != form or index.extent != extent:
            raise LayerError("this use of cancel is not exported", where="Rocq script", got=str(entry))
        spelled = work.names.variable(title)
        high = work.names.form(extent - 1 - form)
        found.append(
            f"{spelled}_range"
            if title in summed
            else f"(range_intro {spelled} {work.names.atom(extent)} ({high}) "
            f"{spelled}_low {spelled}_high ltac:(ring))"
        )
    return found


def meet(names: Names, left: Sum, right: Sum, scaled: bool = False) -> Lines:
    """left = right as terms: sums in another order, other names, other orders of conditions and factors."""
    renaming = same_renaming(left, right)
    assert renaming is not None, (left, right)
    back = {new.terms[0][0][0]: old for old, new in renaming.items()}
    order = [next(mine for mine, theirs in back.items() if theirs == i.name) for i in right.indices]
    spelled = substitute(right, renaming)
    mine = Sum(
        tuple(next(i for i in left.indices if i.name == n) for n in order),
        spelled.conditions,
        spelled.factors,
        spelled.coefficient,
    )
    lines = [f"transitivity ({names.term(mine)} : R); [|same]."]
    lines += reorder([i.name for i in left.indices], order)
    lines += [f"apply sum_ext; intros {names.variable(n)} {names.variable(n)}_range." for n in order]
    if not left.conditions:
        return [*lines, "algebra."]
    before = Scope(Sides(names), 0, (), (), left.conditions)
    after = Scope(Sides(names), 0, (), (), mine.conditions)
    forth = all_of([before.condition(left.conditions.index(c)) for c in mine.conditions])
    back_ = all_of([after.condition(mine.conditions.index(c)) for c in left.conditions])
    product = names.product(left.coefficient, map(names.factor, left.factors))
    return [
        *lines,
        f"transitivity ([{names.conditions(mine.conditions)}] ({product})).",
        f"- apply guard_rule; intro _c; [exact {forth} | exact {back_}].",
        "- apply brk_same; [reflexivity | algebra].",
    ]


RULES: Mapping[str, Callable[[Work], Lines]] = {
    "chain": opened,
    "unfold": opened,
    "delta": delta,
    "guard": guard,
    "reindex": reindex,
    "cancel": cancel,
}
