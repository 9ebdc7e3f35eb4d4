"""Re-checks a certificate file with Python's standard library alone; imports nothing of backflip.

    python checker.py FILE    exit code 0: every theorem in it holds; 1: refused; 2: no certificate file

What a theorem says. Sizes are whole numbers of which the *facts* hold (form >= 0, form = 0). Tensors are
*inputs*, with any entries, or given by *definitions*, in order. For all values of the free indices inside
the shape, *left* (an entry of the target, or the derivative of a scalar by it) equals the body of *right*.
A body is a sum of terms; a term is a coefficient times the sum, over its indices (0 <= index < extent) and
under its conditions ([form = 0], [0 <= form < high]), of the product of its factors: entries of tensors,
functions of entries, derivatives. A form is an integer polynomial in sizes and indices. Here it stays the
text that it is in the file: each polynomial has one spelling, so equal text is equal form.

What proves it. Two chains of steps, from left and from right, that end in the same sum of terms. A step names
one of seven rules, its arguments, and the sum that comes out; here it is made again from the arguments and
must be that very sum. What a rule needs besides ("this index stays in its range") has a certificate: facts
f >= 0 and e = 0 imply goal >= 0 if products of the f and of -goal - 1 with coefficients >= 0, plus multiples
of the e, add up to the constant -1. Here that is multiplied out. There is no search and no solver.

Believed: Python, this file, its table DERIVATIVE, and that recip(x) * x = 1; other functions are mere names.
Not checked: that the definitions are the layer one has in mind (they are printed: read them), that what is
divided by is not 0, rounding, and words (roles, reasons).
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import lcm, prod
from pathlib import Path
from typing import Any

FORMAT = "backflip certificate 1"
MOST_CHARACTERS, MOST_WORK, MOST_PRODUCTS = 20_000_000, 2_000_000, 50_000
MOST_TERMS, MOST_PIECES, MOST_LETTERS = 1000, 8, 60  # of a form, of one of its terms, of one of their pieces
MOST_PARTS, MOST_FACTORS = 200, 4  # of a certificate, of one of its products

OPAQUE = "relu leaky_relu sigmoid tanh softplus gelu gelu_tanh silu elu hardtanh power root f"
DERIVATIVE = {
    **{name: [("1", [f"{name}_prime"])] for name in OPAQUE.split(" ")},
    "exp": [("1", ["exp"])],
    "log": [("1", ["recip"])],
    "recip": [("-1", ["recip", "recip"])],
    "rsqrt": [("-1/2", ["rsqrt", "rsqrt", "rsqrt"])],
    "log_sigmoid": [("1", []), ("-1", ["sigmoid"])],
    "log_clamped": [("1", ["bce_weight"]), ("-1", ["bce_weight", "id"])],
    "log_rest_clamped": [("-1", ["bce_weight", "id"])],
}  # function -> coefficients times functions of the same entry, added; "id" is the entry itself
FUNCTIONS = {*DERIVATIVE, *(f"{name}_prime" for name in OPAQUE.split(" ")), "bce_weight"}


class NotACertificate(Exception):
    """The file is no certificate file, or was changed after it was written."""


class Refused(Exception):
    """The file proves less than it says."""


def require(holds: Any, *otherwise: object) -> None:
    if not holds:
        raise Refused("".join(map(str, otherwise))[:500])


WORK: ContextVar[int] = ContextVar("work", default=0)


def spend(amount: int) -> None:
    """Counts work, so that a hostile file ends in a refusal and not in a long wait."""
    WORK.set(WORK.get() + amount)
    require(WORK.get() <= MOST_WORK, "more work than a proof needs")


# ---- forms: their text, and the polynomial that it spells (monomial -> coefficient) ---------------------
Polynomial = Mapping[tuple[str, ...], int]


def add(total: dict[tuple[str, ...], int], polynomial: Polynomial, scale: int = 1) -> None:
    for monomial, c in polynomial.items():
        total[monomial] = total.get(monomial, 0) + scale * c


def times(one: Polynomial, other: Polynomial) -> Polynomial:
    require(len(one) * len(other) <= MOST_PRODUCTS, "forms too large to multiply")
    spend(len(one) * len(other))
    total: dict[tuple[str, ...], int] = {}
    for m, c in one.items():
        add(total, {tuple(sorted(m + n)): k for n, k in other.items()}, c)
    return total


def spell(polynomial: Polynomial) -> str:
    """The one spelling: highest degree first, then by name."""
    terms = []
    for monomial, c in sorted(polynomial.items(), key=lambda t: (-len(t[0]), t[0])):
        pieces = [str(abs(c))] * (abs(c) != 1 or not monomial) + [*monomial]
        require(len(pieces) <= MOST_PIECES and len(pieces[0]) <= MOST_LETTERS, "form too large")
        terms += [("-" if c < 0 else "") + "*".join(pieces)] * (c != 0)
    require(len(terms) <= MOST_TERMS, "form of too many terms")
    return " + ".join(terms).replace("+ -", "- ") or "0"


@lru_cache(maxsize=100_000)
def parse(form: str) -> Polynomial:
    """The polynomial that a form spells; refused where it is not in the one spelling."""
    total: dict[tuple[str, ...], int] = {}
    require(form.count(" ") <= 2 * MOST_TERMS, "form of too many terms")
    for term in form.replace(" - ", " + -").split(" + "):
        pieces = term.removeprefix("-").split("*", MOST_PIECES)
        number = pieces.pop(0) if pieces[0].isdecimal() and len(pieces[0]) <= MOST_LETTERS else "1"
        require(all(map(IS["name"], pieces)), "not a form: ", ascii(form[:60]))
        add(total, {tuple(sorted(pieces)): int(number)}, -1 if term.startswith("-") else 1)
    require(spell(total) == form, "not the usual spelling of a form: ", ascii(form[:60]))
    return total


def names(*forms: str) -> set[str]:
    spend(sum(len(parse(form)) for form in forms))
    return {name for form in forms for monomial in parse(form) for name in monomial}


@lru_cache(maxsize=100_000)
def combine(*parts: tuple[int, str]) -> str:
    """The sum of forms, each times a number."""
    total: dict[tuple[str, ...], int] = {}
    for scale, form in parts:
        add(total, parse(form), scale)
    return spell(total)


def put(form: str, values: Mapping[str, str]) -> str:
    """The form with names replaced by forms, all at once."""
    if names(form).isdisjoint(values):
        return form
    total: dict[tuple[str, ...], int] = {}
    for monomial, c in parse(form).items():
        product: Polynomial = {tuple(n for n in monomial if n not in values): c}
        for value in (values[n] for n in monomial if n in values):
            product = times(product, parse(value))
        add(total, product)
    return spell(total)


def equation(form: str) -> list[str]:
    """The condition [form = 0]: of form and -form the one whose alphabetically last term is positive."""
    terms = [term for term in parse(form).items() if term[1]]
    return [combine((-1, form))] if terms and max(terms)[1] < 0 else [form]


def goals(condition: Sequence[str]) -> list[str]:
    """The two forms that are both >= 0 exactly where a condition holds."""
    form, *high = condition
    return [form, combine((1, high[0]), (-1, "1"), (-1, form)) if high else combine((-1, form))]


# ---- the shape of the file's data -----------------------------------------------------------------------
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*'*", re.ASCII)
RATIONAL = re.compile(r"-?[0-9]{1,40}(/[1-9][0-9]{0,39})?", re.ASCII)
IS: dict[str, Any] = {
    "text": lambda data: type(data) is str,
    "label": lambda data: type(data) is str and len(data) < 200 and data.isascii() and data.isprintable(),
    "name": lambda data: type(data) is str and len(data) < MOST_LETTERS and NAME.fullmatch(data),
    "form": lambda data: type(data) is str and parse(data),
    "fact": lambda data: type(data) is str and data.endswith((" = 0", " >= 0")) and parse(split(data)[0]),
    "rational": lambda data: type(data) is str and RATIONAL.fullmatch(data),
    "coefficient": lambda data: IS["rational"](data) and str(Fraction(data)) == data,
    "whole": lambda data: type(data) is int,
    "place": lambda data: type(data) is int and data >= 0,
    "equation": lambda data: fits(data, ("form",)) and equation(*data) == data,
    "condition": lambda data: IS["equation"](data) or fits(data, ("form", "form")),
    "entry": lambda data: fits(data, ("name", ["form"])),
    "factor": lambda data: (
        IS["entry"](data)
        or fits(data, ("name", "name", ["form"]))
        or (type(data) is list and len(data) == 4 and IS["entry"](data[:2]) and IS["entry"](data[2:]))
    ),
    "witness": lambda data: type(data) is dict and all(type(v) is int for v in data.values()),
    "choices": lambda data: (
        type(data) is dict and all(type(v) in (int, bool) or IS["label"](v) for v in data.values())
    ),
    "anything": lambda data: True,
    "index": ("name", "form"),
    "term": {"sum": ["index"], "where": ["condition"], "coefficient": "coefficient", "factors": ["factor"]},
    "tensor": {"name": "name", "shape": ["form"], "layout": [["place"]]},
    "definition": {"tensor": "tensor", "indices": ["index"], "body": ["term"], "role": "text"},
    "claim": {
        **{"name": "label", "facts": ["fact"], "inputs": ["tensor"], "definitions": ["definition"]},
        **{"left": ["term"], "right": "definition", "target": "name"},
    },
    "numbers": lambda data: fits(data, ["whole"]) and len(data) <= MOST_FACTORS,
    "monomial": lambda data: fits(data, ["name"]) and len(data) <= MOST_FACTORS,
    "certificate": {
        **{"products": [("rational", "numbers")], "multiples": [("place", [("monomial", "rational")])]},
    },
    "step": {
        **{"rule": "label", "arguments": "anything", "certificates": ["certificate"]},
        **{"after": "anything", "reason": "text"},
    },
    "theorem": {
        **{"claim": "claim", "definition side": ["step"], "closed-form side": ["step"]},
        **{"reads and shapes": ["certificate"], "witness": "witness"},
    },
    "theorems": lambda data: type(data) is dict and data and all(map(IS["label"], data)),
    "body": {"format": "label", "layer": "label", "choices": "choices", "theorems": "theorems"},
    "chain": {"term": "place", "factor": "place", "fresh": [["name"]]},
    "unfold": {"term": "place", "factor": "place", "fresh": [["name"]]},
    "delta": {"term": "place", "index": "name", "condition": "place"},
    "reindex": {
        **{"term": "place", "index": "name", "new": "name"},
        **{"extent": {"form": "form"}, "forward": {"form": "form"}, "backward": {"form": "form"}},
    },
    "guard": {"term": "place", "conditions": [{"condition": "condition"}]},
    "cancel": {"term": "place", "factor": "place", "spare": ["place"], "indices": ["name"]},
    "collect": {"term": "place", "other": "place"},
}


def fits(data: Any, kind: Any) -> bool:
    """Whether data has a shape: {exactly these keys}, [any number of], (exactly these), or a word of IS."""
    if type(kind) is str:
        return bool(IS[kind](data)) if callable(IS[kind]) else fits(data, IS[kind])
    if type(kind) is list:
        return type(data) is list and all(fits(d, kind[0]) for d in data)
    if type(kind) is tuple:
        return type(data) is list and len(data) == len(kind) and all(map(fits, data, kind))
    return type(data) is dict and data.keys() == kind.keys() and all(fits(data[k], kind[k]) for k in kind)


# ---- facts and certificates -----------------------------------------------------------------------------
def split(fact: str) -> tuple[str, bool]:
    """The form of a fact, and whether it is an equation."""
    return (fact[:-4], True) if fact.endswith(" = 0") else (fact[:-5], False)


class Known:
    """Facts in the order in which certificates number them: hypotheses, ranges of indices, conditions."""

    def __init__(self, facts: list[tuple[str, bool]], indices: Any = (), conditions: Any = ()) -> None:
        ranges = [(goal, False) for index in indices for goal in goals(index)]
        for condition in conditions:
            ranges += [(g, False) for g in goals(condition)] if len(condition) == 2 else [(*condition, True)]
        self.facts = [*facts, *ranges]
        self.said = {f for f, _ in self.facts} | {combine((-1, f)) for f, equal in self.facts if equal}
        spend(len(self.facts))

    def unsettled(self, condition: Sequence[str]) -> list[Need]:
        """What is left to show for a condition: not a number >= 0, and not a fact word for word."""
        return [(self, g) for g in goals(condition) if not (g.isdecimal() or g in self.said)]

    def shows(self, goal: str, certificate: Any) -> bool:
        """Whether the certificate's combination is -1, all of it times the common denominator."""
        size = len(certificate["products"]) + sum(len(m) for _, m in certificate["multiples"])
        require(size <= MOST_PARTS, "a certificate of too many parts")
        negated = parse(combine((-1, goal), (-1, "1")))
        parts: list[tuple[Fraction, list[Polynomial]]] = []
        for c, numbers in certificate["products"]:
            require(all(-1 <= i < len(self.facts) for i in numbers), "no such facts: ", numbers)
            require(Fraction(c) >= 0, "a negative coefficient: ", c)
            parts.append((Fraction(c), [parse(self.facts[i][0]) if i >= 0 else negated for i in numbers]))
        for i, multiplier in certificate["multiples"]:
            require(i < len(self.facts) and self.facts[i][1], "not a multiple of an equation")
            parts += [(Fraction(c), [{tuple(sorted(m)): 1}, parse(self.facts[i][0])]) for m, c in multiplier]
        unit, total = lcm(*(c.denominator for c, _ in parts)), dict[tuple[str, ...], int]()
        for c, factors in parts:
            product: Polynomial = {(): int(c * unit)}
            for factor in factors:
                product = times(product, factor)
            add(total, product)
        return {m: c for m, c in total.items() if c} == {(): -unit}


Need = tuple[Known, str]


def certified(needed: list[Need], certificates: list[Any]) -> None:
    """Every goal has its certificate, in order, and none is left over."""
    require(
        len(needed) == len(certificates),
        len(certificates),
        " certificates where ",
        len(needed),
        " are needed",
    )
    for (known, goal), certificate in zip(needed, certificates, strict=True):
        require(known.shows(goal, certificate), "the certificate does not show ", goal, " >= 0")


# ---- terms ----------------------------------------------------------------------------------------------
Term = dict[str, Any]


def occurring(term: Term) -> set[str]:
    """All names in a term, bound ones included."""
    forms = [form for pair in (*term["sum"], *term["where"]) for form in pair]
    forms += [form for factor in term["factors"] for part in factor if type(part) is list for form in part]
    return names(*forms)


def place(term: Term, values: Mapping[str, str]) -> Term:
    """The term with names replaced by forms in its conditions and factors."""
    seen: dict[str, str] = {}

    def at(forms: list[str]) -> list[str]:
        seen.update((f, put(f, values)) for f in forms if f not in seen)
        return [seen[f] for f in forms]

    where = [at(c) if len(c) == 2 else equation(*at(c)) for c in term["where"]]
    factors = [[at(part) if type(part) is list else part for part in factor] for factor in term["factors"]]
    return {**term, "where": where, "factors": factors}


def scale(term: Term, by: str | Fraction) -> Term:
    coefficient = str(Fraction(term["coefficient"]) * Fraction(by))
    require(IS["rational"](coefficient), "a coefficient of too many digits")
    return {**term, "coefficient": coefficient}


def renamings(mine: list[Any], theirs: list[Any]) -> Iterator[dict[str, str]]:
    """Every way to give their summed indices the names of mine of the same extent, each once."""
    spend(1 + len(mine))
    if not mine and not theirs:
        yield {}
    for i, (own, extent) in enumerate(mine):
        if theirs and theirs[0][1] == extent:
            for others in renamings(mine[:i] + mine[i + 1 :], theirs[1:]):
                yield {theirs[0][0]: own, **others}


def alike(one: Term, other: Term) -> bool:
    """Equal but for coefficients, the order of conditions and factors, and the names of summed indices."""

    def parts(term: Term) -> list[list[str]]:
        return [sorted(map(str, term["where"])), sorted(map(str, term["factors"]))]

    if list(map(len, parts(one))) != list(map(len, parts(other))):
        return False
    mine, theirs = dict(one["sum"]).keys(), dict(other["sum"]).keys()
    if mine & (occurring(other) - theirs) or theirs & (occurring(one) - mine):
        return False
    wanted = parts(one)
    return any(parts(place(other, r)) == wanted for r in renamings(one["sum"], other["sum"]))


def same(left: list[Term], right: list[Term]) -> bool:
    """Equal sums: each term on the left has one on the right to itself, and none is left over."""
    unused = list(right)
    for term in left:
        spend(len(unused))
        of_it = [t for t in unused if t["coefficient"] == term["coefficient"]]
        if (match := next((t for t in of_it if alike(term, t)), None)) is None:
            return False
        unused.remove(match)
    return not unused


# ---- claims ---------------------------------------------------------------------------------------------
class Claim:
    """The data of a claim at hand."""

    def __init__(self, data: Any) -> None:
        self.data, self.facts = data, list(map(split, data["facts"]))
        self.inputs = {t["name"]: t for t in data["inputs"]}
        self.defined = {d["tensor"]["name"]: d for d in data["definitions"]}
        self.free: list[list[str]] = data["right"]["indices"]
        forms = [f for f, _ in self.facts] + [f for t in data["inputs"] for f in t["shape"]]
        self.sizes = names(*forms)

    def known(self, term: Term) -> Known:
        return Known(self.facts, [*self.free, *term["sum"]], term["where"])

    def taken(self, term: Term) -> set[str]:
        return occurring(term).union(self.sizes, (name for name, _ in self.free))

    def upkeep(self) -> list[Need]:
        """Tensors are defined once, before they are read; reads are inside; the two sides have one shape."""
        needed: list[Need] = []
        seen: dict[str, Any] = {}
        for definition in (*self.data["inputs"], *self.data["definitions"], self.data["right"]):
            if "tensor" in definition:
                needed += self.definition(seen, definition)
            tensor = definition.get("tensor", definition)
            require(tensor["name"] not in seen, tensor["name"], " is defined twice")
            require(names(*tensor["shape"]) <= self.sizes, "a shape is not over sizes: ", tensor["name"])
            axes = [axis for group in tensor["layout"] for axis in group]
            fit = len(set(axes)) == len(axes) and max(axes, default=-1) < len(tensor["shape"])
            require(fit, "the layout does not fit the axes of ", tensor["name"])
            seen[tensor["name"]] = tensor
        right, target = self.data["right"]["tensor"], seen.get(self.data["target"])
        if target is None or target is right:
            raise Refused("the target is not a tensor of the claim")
        require(target["layout"] == right["layout"], "the right side is not laid out as the target")
        entry = [target["name"], [name for name, _ in self.free]]
        scalars = [title for title, d in self.defined.items() if not d["tensor"]["shape"]]
        lefts = [[entry], *([[title, [], *entry]] for title in scalars)]
        plain = [[{"sum": [], "where": [], "coefficient": "1", "factors": left}] for left in lefts]
        require(self.data["left"] in plain, "the left side is no entry, or derivative by one")
        return needed + self.covers(self.free, target)

    def covers(self, indices: list[list[str]], tensor: Any) -> list[Need]:
        """Indices run over every entry of a tensor."""
        shape, known = tensor["shape"], Known(self.facts)
        require(len(indices) == len(shape), "other indices than ", tensor["name"], " has axes")
        differences = [combine((1, own), (-1, e)) for (_, own), e in zip(indices, shape, strict=True)]
        return [need for difference in differences for need in known.unsettled(equation(difference))]

    def definition(self, seen: Mapping[str, Any], definition: Any) -> list[Need]:
        needed, title = self.covers(definition["indices"], definition["tensor"]), definition["tensor"]["name"]
        nothing: Term = {"sum": [], "where": [], "factors": []}  # a body of no terms has indices as well
        for term in definition["body"] or [nothing]:
            indices = [*definition["indices"], *term["sum"]]
            own = {name for name, _ in indices}
            require(len(own) == len(indices) and not own & self.sizes, "captured index name in ", title)
            require(names(*(e for _, e in indices)) <= self.sizes, "an extent is not over sizes in ", title)
            require(occurring(term) <= own | self.sizes, "unknown name in ", title)
            known = Known(self.facts, indices, term["where"])
            for *function, read, index in term["factors"]:
                require(len(function) < 2 and FUNCTIONS.issuperset(function), "no such function: ", function)
                shape = seen[read]["shape"] if read in seen else ()
                require(read in seen and len(shape) == len(index), "no such entry before it: ", read, index)
                needed += [need for pair in zip(index, shape, strict=True) for need in known.unsettled(pair)]
        return needed


# ---- rules: what a term becomes, and what is left to show for it ----------------------------------------
Replayed = tuple[list[Term], list[Need]]


def pick(items: Sequence[Any], at: int) -> Any:
    require(0 <= at < len(items), "there is no place ", at)
    return items[at]


def opened(claim: Claim, entry: Any, named: list[list[str]], around: Term | None = None) -> list[Term]:
    """The terms of an entry's definition at that entry; new names of summed indices are not in `around`."""
    require(len(entry) == 2 and entry[0] in claim.defined, "not an entry with a definition: ", entry)
    title, index = entry
    definition, terms = claim.defined[title], []
    require([len(b["sum"]) for b in definition["body"]] == list(map(len, named)), "not its sums: ", named)
    own = {name: e for (name, _), e in zip(definition["indices"], index, strict=True)}
    for body, new in zip(definition["body"], named, strict=True):
        captured = around is not None and claim.taken(around) & set(new)
        require(len(set(new)) == len(new) and not captured, "captured index name among ", new)
        summed = [[name, extent] for (_, extent), name in zip(body["sum"], new, strict=True)]
        renamed = {old: name for (old, _), name in zip(body["sum"], new, strict=True)}
        terms.append({**place(body, {**own, **renamed}), "sum": summed})
    return terms


def joined(term: Term, at: int, body: Term, without: int | None = None) -> Term:
    """The term with its factor `at` replaced by a product, of which the factor `without` is left out."""
    rest = [f for j, f in enumerate(body["factors"]) if j != without]
    parts = {key: term[key] + body[key] for key in ("sum", "where")}
    parts["factors"] = [*term["factors"][:at], *rest, *term["factors"][at + 1 :]]
    spend(sum(map(len, parts.values())))
    return scale({**term, **parts}, body["coefficient"])


def chain(claim: Claim, term: Term, factor: int, fresh: list[list[str]]) -> Replayed:
    """d T[e]/d X[u] of an input X, by the product rule over T's definition: an occurrence of X[i] gives the
    other factors times [i = u]; one of an entry with a definition, times its derivative by X[u]; one inside a
    function, times the function's derivative as well."""
    partial, new = pick(term["factors"], factor), []
    require(len(partial) == 4 and partial[2] in claim.inputs, "not a derivative by an input: ", partial)
    for body in opened(claim, partial[:2], fresh, term):
        for j, (*function, title, index) in enumerate(body["factors"]):
            if title in claim.inputs and title != partial[2]:
                continue
            rest, inner = joined(term, factor, body, without=j), [[title, index, *partial[2:]]]
            if title == partial[2]:
                pairs, inner = zip(index, partial[3], strict=True), []
                met = [equation(combine((1, i), (-1, u))) for i, u in pairs]
                rest = {**rest, "where": rest["where"] + met}
            require(not function or function[0] in DERIVATIVE, "no derivative is known of ", function)
            for c, product in DERIVATIVE[function[0]] if function else [("1", [])]:
                outer = [[title, index] if name == "id" else [name, title, index] for name in product]
                new.append(scale({**rest, "factors": rest["factors"] + outer + inner}, c))
    return new, []


def unfold(claim: Claim, term: Term, factor: int, fresh: list[list[str]]) -> Replayed:
    """T[e] is the body of T's definition at e."""
    entry = pick(term["factors"], factor)
    return [joined(term, factor, body) for body in opened(claim, entry, fresh, term)], []


def delta(claim: Claim, term: Term, index: str, condition: int) -> Replayed:
    """The sum over v of [v = e] f(v) is f(e), if 0 <= e < extent of v."""
    hit, extent = pick(term["where"], condition), dict(term["sum"]).get(index)
    slopes = [(m, c) for m, c in parse(hit[0]).items() if index in m]
    sign = slopes[0][1] if len(slopes) == 1 and slopes[0][0] == (index,) else 0
    require(len(hit) == 1 and extent and abs(sign) == 1, "not an equation for the summed index ", index)
    point = combine((1, index), (-sign, hit[0]))
    summed = [i for i in term["sum"] if i[0] != index]
    where = [c for j, c in enumerate(term["where"]) if j != condition]
    after = place({**term, "sum": summed, "where": where}, {index: point})
    return [after], claim.known(after).unsettled([point, str(extent)])


def reindex(
    claim: Claim, term: Term, index: str, new: str, extent: Any, forward: Any, backward: Any
) -> Replayed:
    """The sum over v of f(v) is that over w of f(forward(w)) if backward undoes it and both stay in range."""
    there, back, size = forward["form"], backward["form"], extent["form"]
    old, around = dict(term["sum"]).get(index), claim.taken(term)
    require(old and new not in around and names(size) <= claim.sizes, "not a summed index, not a new one")
    known = names(there) <= around - {index} | {new} and names(back) <= around
    undone = put(there, {new: back}) == index and put(back, {index: there}) == new
    require(known and undone, index, " = ", there, " and ", new, " = ", back, " do not undo each other")
    summed = [[new, size] if i[0] == index else i for i in term["sum"]]
    after = {**place(term, {index: there}), "sum": summed}
    needed = claim.known(after).unsettled([there, str(old)])
    return [after], needed + claim.known(term).unsettled([back, size])


def guard(claim: Claim, term: Term, conditions: list[Any]) -> Replayed:
    """Conditions replaced by others, if the ones imply each of the others and the other way round."""
    after = {**term, "where": [c["condition"] for c in conditions]}
    require(occurring(after) <= claim.taken(term), "unknown name in a condition")
    before, behind = claim.known(term), claim.known(after)
    needed = [need for c in after["where"] for need in before.unsettled(c)]
    return [after], needed + [need for c in term["where"] for need in behind.unsettled(c)]


def cancel(claim: Claim, term: Term, factor: int, spare: list[int], indices: list[str]) -> Replayed:
    """recip(T[e]) times T[e] is 1, where T[e] stands as its definition's one term: the factors `spare` summed
    over `indices`, which occur nowhere else in the term."""
    function, *inverted = pick(term["factors"], factor)
    require(function == "recip", "not an inverse: ", function)
    (body,) = opened(claim, inverted, [indices])
    extents, own, gone = dict(term["sum"]), dict(body["sum"]), {factor, *spare}
    require(len(gone) == 1 + len(spare), "a factor taken twice")
    require(all(extents.get(i) == e for i, e in own.items()) and not body["where"], "not the sum inverted")
    require(body["factors"] == [pick(term["factors"], j) for j in spare], "not the factors inverted")
    rest = [f for j, f in enumerate(term["factors"]) if j not in gone]
    summed = [[i, e] for i, e in term["sum"] if i not in own]
    after = scale({**term, "sum": summed, "factors": rest}, 1 / Fraction(body["coefficient"]))
    reached = occurring({**after, "factors": [*rest, inverted]})
    require(reached.isdisjoint(indices), "the sum reaches over more than what is inverted")
    return [after], []


RULES = {rule.__name__: rule for rule in (chain, unfold, delta, reindex, guard, cancel)}


def collect(terms: list[Term], term: int, other: int) -> list[Term]:
    """c f + d f is (c + d) f, and nothing where c + d is 0."""
    one, two = pick(terms, term), pick(terms, other)
    require(term < other and alike(one, two), "not like terms: ", term, " and ", other)
    total = Fraction(one["coefficient"]) + Fraction(two["coefficient"])
    both = [scale({**one, "coefficient": "1"}, total)] if total else []
    return [*terms[:term], *both, *terms[term + 1 : other], *terms[other + 1 :]]


def replay(claim: Claim, terms: list[Term], rule: str, arguments: Any) -> Replayed:
    """The sum after a step, made from the step's arguments, and what is left to show for it."""
    require(rule in (*RULES, "collect") and fits(arguments, rule), "not a rule with its arguments: ", rule)
    if rule == "collect":
        return collect(terms, **arguments), []
    at = arguments["term"]
    new, needed = RULES[rule](claim, **{**arguments, "term": pick(terms, at)})
    return [*terms[:at], *new, *terms[at + 1 :]], needed


# ---- theorems -------------------------------------------------------------------------------------------
def walk(claim: Claim, terms: list[Term], steps: list[Any]) -> list[Term]:
    """The sum at the end of a chain of steps, each of which gives what it says."""
    for number, step in enumerate(steps, start=1):
        try:
            terms, needed = replay(claim, terms, step["rule"], step["arguments"])
            require(terms == step["after"], "the step is not what its rule gives")
            certified(needed, step["certificates"])
        except Refused as refusal:
            raise Refused(f"step {number} ({step['rule'][:20]}): {refusal}") from None
    return terms


def witnessed(claim: Claim, normal: list[Term], witness: Mapping[str, int]) -> None:
    """Not vacuous: numbers at which all facts hold and the guard of the first term is open."""
    term = normal[0] if normal else {"sum": [], "where": [], "factors": []}
    missing = claim.taken(term) - witness.keys()
    require(not missing, "the witness leaves open ", sorted(missing))
    for form, equal in claim.known(term).facts:
        at = sum(c * prod(witness[n] for n in monomial) for monomial, c in parse(form).items())
        require(at == 0 if equal else at >= 0, "at the witness ", form, " is ", at)


@dataclass(frozen=True)
class Proved:
    """A theorem that holds: its key in the file, its claim as data and as text, and what it took."""

    key: str
    claim: Any
    statement: tuple[str, ...]
    steps: int
    certificates: int


def prove(key: str, data: Any) -> Proved:
    """What a proof proves; Refused where it does not."""
    require(fits(data, "theorem"), "not of the shape of a theorem")
    claim, steps = Claim(data["claim"]), [*data["definition side"], *data["closed-form side"]]
    certified(claim.upkeep(), data["reads and shapes"])
    left = walk(claim, data["claim"]["left"], data["definition side"])
    right = walk(claim, data["claim"]["right"]["body"], data["closed-form side"])
    require(same(left, right), "the two sides do not end in the same sum")
    witnessed(claim, left, data["witness"])
    count = len(data["reads and shapes"]) + sum(len(step["certificates"]) for step in steps)
    return Proved(key, data["claim"], tuple(statement(data["claim"])), len(steps), count)


def statement(claim: Any) -> Iterator[str]:
    """A claim as text."""

    def factor(parts: list[Any]) -> str:
        *function, title, index = parts
        entry = f"{title}[{', '.join(index)}]" if index else str(title)
        if len(function) == 2:
            return f"d {factor(function)}/d {entry}"
        return f"{function[0]}({entry})" if function else entry

    def term(data: Term) -> str:
        words = [f"{data['coefficient']}"] * (data["coefficient"] != "1" or not data["factors"])
        words += [f"sum({', '.join(f'{name} < {e}' for name, e in data['sum'])})"] * bool(data["sum"])
        words += [f"[{c[0]} = 0]" if len(c) == 1 else f"[0 <= {c[0]} < {c[1]}]" for c in data["where"]]
        return " ".join([*words, *map(factor, data["factors"])])

    def definition(data: Any) -> str:
        entry = factor([data["tensor"]["name"], [name for name, _ in data["indices"]]])
        ranges = ", ".join(f"{name} < {extent}" for name, extent in data["indices"])
        return f"{entry} := {' + '.join(map(term, data['body'])) or 0}" + f" for all {ranges}" * bool(ranges)

    bodies = [d["body"] for d in (*claim["definitions"], claim["right"])]
    inverted = {f[1] for body in bodies for t in body for f in t["factors"] if f[0] == "recip"}
    yield f"sizes: {'; '.join(claim['facts'])}"
    yield from [f"supposing that no entry of {', '.join(sorted(inverted))} is 0"] * bool(inverted)
    yield f"inputs: {'; '.join(factor([t['name'], t['shape']]) for t in claim['inputs'])}"
    yield from map(definition, claim["definitions"])
    yield f"therefore {term(claim['left'][0])} = {definition(claim['right'])}"


# ---- files ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Report:
    """What a certificate file proves: of which layer or theorem, for which choices."""

    title: str
    choices: Mapping[str, Any]
    digest: str
    theorems: tuple[Proved, ...]


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys are said once; of a key said twice one value could be shown, another used."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key is said twice")
    return dict(pairs)


def check_text(text: str) -> Report:
    """What a certificate file proves; raises Refused or NotACertificate."""
    try:
        if len(text) > MOST_CHARACTERS:
            raise ValueError("too large")
        data = json.loads(text, object_pairs_hook=once)
        if not fits(data, {"digest": "label", "body": "body"}) or data["body"]["format"] != FORMAT:
            raise ValueError(f"not of the shape of {FORMAT}")
        canonical = json.dumps(data["body"], sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError) as fault:
        raise NotACertificate(str(fault)[:200]) from None
    if hashlib.sha256(canonical.encode()).hexdigest() != data["digest"]:
        raise NotACertificate("the file was changed after it was written: its digest is another")
    WORK.set(0)
    proved = []
    for key, theorem in data["body"]["theorems"].items():
        try:
            proved.append(prove(key, theorem))
        except Refused as refusal:
            raise Refused(f"{key}: {refusal}") from None
        except (LookupError, ValueError, TypeError, ArithmeticError, RecursionError) as fault:
            raise Refused(f"{key}: malformed: {type(fault).__name__}: {str(fault)[:100]!a}") from None
    return Report(data["body"]["layer"], data["body"]["choices"], data["digest"], tuple(proved))


def main(arguments: list[str]) -> int:
    """What the file proves, printed. Its title is what the file calls itself; only the claims are checked."""
    try:
        with Path(*arguments).open(encoding="utf-8") as file:
            report = check_text(file.read(MOST_CHARACTERS + 1))
    except Refused as refusal:
        print(f"REFUSED: {refusal}")
        return 1
    except (NotACertificate, OSError, UnicodeDecodeError) as fault:
        print(f"not a certificate file: {fault}")
        return 2
    print(
        f"{report.title} (so the file calls itself): every theorem in it holds;",
        *(f"{key}={value}" for key, value in report.choices.items()),
    )
    for theorem in report.theorems:
        print(f"\n{theorem.key}: {theorem.steps} steps, {theorem.certificates} certificates")
        print("\n".join(f"  {line}" for line in theorem.statement))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
