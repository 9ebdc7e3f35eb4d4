"""Owns the theorem of softmax followed by cross entropy: the gradient is (sum of y) p - y."""

from __future__ import annotations

from fractions import Fraction

from derive.between.base import Between, Parts, Tags, gradient
from derive.claim import Claim, Setting
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum, Tensor
from derive.index import Index, name
from derive.statements.elementwise import tensor
from derive.statements.model import at_least, forms
from derive.statements.softmax import Rows

MINUS = Fraction(-1)
CLASS = Index("c", name("C"))


def rows(tags: Tags) -> Rows:
    """Batch, classes and one place an axis."""
    places = tuple(Index(f"o_{t}", name(t.upper())) for t in tags)
    return Rows((Index("n", name("N")), CLASS, *places), 1)


def facts(own: Rows) -> Setting:
    """The sizes, the logits and their shift, and the stages of the exponentials."""
    sizes = [str(i.extent) for i in own.where]
    return Setting(at_least(1, *sizes), (own.x, own.shift), (own.shifted(), own.total()))


def with_loss(
    setting: Setting, target: Tensor, *stages: Definition, terms: list[tuple[Factor, Fraction]], own: Rows
) -> Setting:
    """The loss - sum of target times the logarithm of p, whose terms are given."""
    y = Read(target, forms(*own.where))
    body = Expr(tuple(Sum(own.where, (), (y, factor), -sign) for factor, sign in terms))
    loss = Definition(Tensor("loss", ()), (), body, "cross entropy")
    inputs = setting.inputs if stages and stages[-1].tensor == target else (*setting.inputs, target)
    return Setting(setting.facts, inputs, (*setting.definitions, *stages, loss))


def logarithm(own: Rows) -> list[tuple[Factor, Fraction]]:
    """log p as the shifted logit less the logarithm of the sum."""
    moved, log = own.log_share()
    return [(moved.factors[0], Fraction(1)), (log.factors[0], MINUS)]


def difference(own: Rows, target: Tensor, summed: bool) -> tuple[Definition, tuple[Definition, ...]]:
    """(sum of y) p - y, or p - y, and its helpers."""
    p, y = own.probability(), Read(target, forms(*own.where))
    whole = Definition(
        tensor("whole", own.rest), own.rest, Expr((Sum((CLASS,), (), (y,)),)), "the target's sum"
    )
    first: tuple[Factor, ...] = (Read(p.tensor, forms(*own.where)),)
    if summed:
        first = (Read(whole.tensor, forms(*own.rest)), *first)
    terms = (Sum((), (), first), Sum((), (), (y,), MINUS))
    right = Definition(tensor("grad_input", own.where), own.where, Expr(terms), "p less the target")
    return right, (p, whole) if summed else (p,)


def _claim(own: Rows, setting: Setting, target: Tensor, summed: bool = True) -> Claim:
    right, helpers = difference(own, target, summed)
    known = {d.tensor for d in setting.definitions}
    more = tuple(h for h in helpers if h.tensor not in known)
    whole = Setting(setting.facts, setting.inputs, (*setting.definitions, *more))
    return gradient("grad_input", whole, own.x, right)


def entropy(tags: Tags) -> Parts:
    """For any target; for softmax and logarithm as layers of their own; for a target whose sum is 1."""
    own = rows(tags)
    base, y = facts(own), tensor("target", own.where)
    any_target = with_loss(base, y, terms=logarithm(own), own=own)
    p = own.probability()
    log = Apply("log", Read(p.tensor, forms(*own.where)))
    layers = with_loss(base, y, p, terms=[(log, Fraction(1))], own=own)
    share, drawn = tensor("portions", own.where), Read(tensor("portions", own.where), forms(*own.where))
    total = Definition(
        tensor("all_portions", own.rest), own.rest, Expr((Sum((CLASS,), (), (drawn,)),)), "their sum"
    )
    part = (drawn, Apply("recip", Read(total.tensor, forms(*own.rest))))
    normal = Definition(y, own.where, Expr((Sum((), (), part),)), "a target whose sum is 1")
    given = Setting(base.facts, (*base.inputs, share), base.definitions)
    one = with_loss(given, y, total, normal, terms=logarithm(own), own=own)
    still = Definition(tensor("grad_shift", own.rest), own.rest, Expr(()), "the shift drops out")
    return {
        "input": _claim(own, any_target, y),
        "layers": _claim(own, layers, y),
        "sum 1": _claim(own, one, y, summed=False),
        "shift": gradient("grad_shift", any_target, own.shift, still),
    }


THEOREMS = (
    Between(
        "softmax-cross-entropy",
        "The gradient of cross entropy after softmax is (sum of y) p - y, for every number of classes; it is "
        "p - y exactly where the target's sum is 1, and that is the only place where the sum is used.",
        entropy,
    ),
)
