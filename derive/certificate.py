"""Owns the certificate file: arguments as readable JSON with a digest, and the way back.

Forms are written as text ("a_h*d_h + o_h*s_h - p_h"), reads by tensor name; every tensor is declared
once in the setting. There is one spelling of everything, so that equal text is equal meaning. Untrusted: what
is read back is replayed by `check.py`, and the file itself by the stand-alone `checker.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from derive.certify import rational
from derive.claim import Argument, Claim, Fact, Setting, Step
from derive.errors import LayerError
from derive.expr import Apply, Definition, Expr, Factor, Partial, Read, Sum, Tensor
from derive.index import Condition, Form, Index, Within, Zero
from derive.oracle import from_data, to_data

FORMAT = "backflip certificate 1"
MOST_CHARACTERS = 20_000_000
MOST_TERMS, MOST_FACTORS, MOST_LETTERS = 1000, 8, 60
"""Terms of one form of a file, factors of one of its terms, characters of one of its factors."""

Data = dict[str, Any]


def parse_form(text: str) -> Form:
    """The form that prints as `text`.

    >>> str(parse_form("2*a*b - c + 1"))
    '2*a*b - c + 1'
    """
    pairs = []
    if text.count(" ") > 2 * MOST_TERMS:
        raise ValueError("form too long")
    for term in text.replace(" - ", " + -").split(" + "):
        sign = -1 if term.startswith("-") else 1
        coefficient, monomial = sign, []
        pieces = term.lstrip("-").split("*")
        if len(pieces) > MOST_FACTORS or max(map(len, pieces)) > MOST_LETTERS:
            raise ValueError("term too long")
        for piece in pieces:
            if piece.isdigit():
                coefficient *= int(piece)
            else:
                monomial.append(piece)
        pairs.append((tuple(sorted(monomial)), coefficient))
    return Form.collect(pairs)


# ---- out ---------------------------------------------------------------------------------------


def encode(argument: Argument) -> Data:
    claim = argument.claim
    return {
        "claim": encode_claim(claim),
        "definition side": [_step(s) for s in argument.left_steps],
        "closed-form side": [_step(s) for s in argument.right_steps],
        "reads and shapes": [to_data(c) for c in argument.upkeep],
        "witness": dict(sorted(argument.witness.items())),
    }


def encode_claim(claim: Claim) -> Data:
    setting = claim.setting
    return {
        "name": claim.name,
        "facts": [str(f) for f in setting.facts],
        "inputs": [_tensor(t) for t in setting.inputs],
        "definitions": [_definition(d) for d in setting.definitions],
        "left": _expr(claim.left),
        "right": _definition(claim.right),
        "target": claim.target.name,
    }


def _tensor(tensor: Tensor) -> Data:
    shape = [str(f) for f in tensor.shape]
    return {"name": tensor.name, "shape": shape, "layout": [list(g) for g in tensor.layout]}


def _definition(definition: Definition) -> Data:
    indices = [[i.name, str(i.extent)] for i in definition.indices]
    body = _expr(definition.body)
    return {"tensor": _tensor(definition.tensor), "indices": indices, "body": body, "role": definition.role}


def _expr(expr: Expr) -> list[Data]:
    return [
        {
            "sum": [[i.name, str(i.extent)] for i in t.indices],
            "where": [_condition(c) for c in t.conditions],
            "coefficient": str(t.coefficient),
            "factors": [_factor(f) for f in t.factors],
        }
        for t in expr.terms
    ]


def _condition(condition: Condition) -> list[str]:
    match condition:
        case Zero(form):
            return [str(form)]
        case Within(form, high):
            return [str(form), str(high)]


def _factor(factor: Factor) -> list[Any]:
    match factor:
        case Read(tensor, index):
            return [tensor.name, [str(f) for f in index]]
        case Apply(function, of):
            return [function, *_factor(of)]
        case Partial(of, wrt):
            return [*_factor(of), *_factor(wrt)]


def _step(step: Step) -> Data:
    arguments = {key: _argument(value) for key, value in step.arguments.items()}
    return {
        "rule": step.rule,
        "arguments": arguments,
        "certificates": [to_data(c) for c in step.certificates],
        "after": _expr(step.after),
        "reason": step.reason,
    }


def _argument(value: Any) -> Any:
    if isinstance(value, Form):
        return {"form": str(value)}
    if isinstance(value, (Zero, Within)):
        return {"condition": _condition(value)}
    return [_argument(v) for v in value] if isinstance(value, tuple) else value


# ---- back --------------------------------------------------------------------------------------


def decode(data: Data) -> Argument:
    reader = Reader(data["claim"])
    claim = reader.claim
    return Argument(
        claim,
        tuple(map(reader.step, data["definition side"])),
        tuple(map(reader.step, data["closed-form side"])),
        tuple(map(from_data, data["reads and shapes"])),
        {str(k): int(v) for k, v in data["witness"].items()},
    )


class Reader:
    """Rebuilds a claim, then whatever is written over its tensors."""

    def __init__(self, data: Data) -> None:
        self.tensors: dict[str, Tensor] = {}
        inputs = tuple(self.tensor(t) for t in data["inputs"])
        definitions = tuple(self.definition(d) for d in data["definitions"])
        setting = Setting(tuple(_fact(f) for f in data["facts"]), inputs, definitions)
        target, left = self.tensors[data["target"]], self.expr(data["left"])
        self.claim = Claim(str(data["name"]), setting, left, self.definition(data["right"]), target)

    def tensor(self, data: Data) -> Tensor:
        layout = tuple(tuple(map(int, g)) for g in data["layout"])
        tensor = Tensor(str(data["name"]), tuple(map(parse_form, data["shape"])), layout)
        return self.tensors.setdefault(tensor.name, tensor)

    def definition(self, data: Data) -> Definition:
        body = self.expr(data["body"])
        return Definition(self.tensor(data["tensor"]), _indices(data["indices"]), body, data["role"])

    def expr(self, data: Sequence[Data]) -> Expr:
        return Expr(
            tuple(
                Sum(
                    _indices(t["sum"]),
                    tuple(map(_read_condition, t["where"])),
                    tuple(map(self.factor, t["factors"])),
                    rational(t["coefficient"]),
                )
                for t in data
            )
        )

    def factor(self, data: Sequence[Any]) -> Factor:
        if len(data) == 3:
            function, *entry = data
            return Apply(str(function), self.read(*entry))
        reads = [self.read(*data[i : i + 2]) for i in range(0, len(data), 2)]
        return reads[0] if len(reads) == 1 else Partial(*reads)

    def read(self, title: str, index: Sequence[str]) -> Read:
        return Read(self.tensors[title], tuple(map(parse_form, index)))

    def step(self, data: Data) -> Step:
        arguments = {str(k): _read_argument(v) for k, v in data["arguments"].items()}
        certificates = tuple(map(from_data, data["certificates"]))
        return Step(str(data["rule"]), arguments, certificates, self.expr(data["after"]), data["reason"])


def _fact(text: str) -> Fact:
    for sign, equal in ((" >= 0", False), (" = 0", True)):
        if text.endswith(sign):
            return Fact(parse_form(text[: -len(sign)]), equal)
    raise ValueError(text)


def _indices(data: Sequence[Sequence[str]]) -> tuple[Index, ...]:
    return tuple(Index(str(title), parse_form(extent)) for title, extent in data)


def _read_condition(data: Sequence[str]) -> Condition:
    parts = [parse_form(t) for t in data]
    return Zero(*parts) if len(parts) == 1 else Within(*parts)


def _read_argument(value: Any) -> Any:
    if isinstance(value, Mapping):
        return parse_form(value["form"]) if "form" in value else _read_condition(value["condition"])
    return tuple(_read_argument(v) for v in value) if isinstance(value, list) else value


# ---- the file ----------------------------------------------------------------------------------


def digest(body: Any) -> str:
    """sha256 of the JSON text without white space, keys sorted."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _body(layer: str, choices: Mapping[str, Any], arguments: Mapping[str, Argument]) -> Data:
    encoded = {key: encode(a) for key, a in arguments.items()}
    return {"format": FORMAT, "layer": layer, "choices": dict(choices), "theorems": encoded}


def dump(layer: str, choices: Mapping[str, Any], arguments: Mapping[str, Argument]) -> str:
    """The certificate file of a layer class's theorems."""
    body = _body(layer, choices, arguments)
    text = json.dumps({"digest": digest(body), "body": body}, indent=1, ensure_ascii=False)
    return re.sub(r"\[\n\s+([^\[\]{}]*?)\n\s*\]", _one_line, text) + "\n"


def _one_line(match: re.Match[str]) -> str:
    """A list of plain values on one line."""
    return f"[{' '.join(part.strip() for part in match[1].splitlines())}]"


def load(text: str, where: str) -> tuple[str, dict[str, Any], dict[str, Argument], str]:
    """Layer name, choices, arguments and digest of a certificate file; LayerError where it is not one.

    Nothing is lost on the way: what was read, written again, is the file word for word.
    """
    try:
        if len(text) > MOST_CHARACTERS:
            raise ValueError("too large")
        data = json.loads(text, object_pairs_hook=_once)
        body, stated = data["body"], data["digest"]
        if body["format"] != FORMAT:
            raise ValueError(body["format"])
        if digest(body) != stated:
            raise LayerError(
                "certificate file was changed",
                where=where,
                expected=f"digest {stated}",
                got=digest(body),
                mend="write it anew with backflip prove CLASS --all-sizes --certificate FILE",
            )
        arguments = {str(key): decode(a) for key, a in body["theorems"].items()}
        choices = {str(key): value for key, value in dict(body["choices"]).items()}
        again = digest(_body(str(body["layer"]), choices, arguments))
        if again != stated or data.keys() != {"digest", "body"}:
            raise ValueError("not spelled as backflip writes it")
        return str(body["layer"]), choices, arguments, str(stated)
    except LayerError:
        raise
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError, ArithmeticError) as fault:
        raise LayerError(
            "not a certificate file",
            where=where,
            expected=f"JSON written by backflip prove --certificate ({FORMAT})",
            got=f"{type(fault).__name__}: {str(fault)[:100]}",
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> Data:
    """A JSON object whose keys are said once; of a key said twice one value would be shown, another used."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key is said twice")
    return dict(pairs)


def bare(claim: Data) -> Data:
    """What an encoded claim claims; roles are words for the reader."""
    definitions = [{**d, "role": ""} for d in claim["definitions"]]
    return {**claim, "definitions": definitions, "right": {**claim["right"], "role": ""}}
