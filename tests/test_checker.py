"""The one-file checker: it accepts what the core accepts, and refuses every forgery as the core does."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from forged import FORGERIES, accepted, body_of, core_accepts, one_of, sealed

from derive import checker, functions
from derive.between import theorems_between
from derive.errors import LayerError, ProofError
from derive.layers import registry
from derive.layers.conv import Conv1d, Conv2d
from derive.layers.softmax import Softmax
from derive.recheck import check_file, recheck
from derive.theorems import between_certificate, certificate_text

GENERATED = sorted((Path(__file__).parent.parent / "generated").glob("*.certificate.json"))


@pytest.fixture(scope="module")
def conv() -> str:
    return certificate_text(Conv1d, Conv1d.chosen({}))


# ---- what it accepts -----------------------------------------------------------------------------


@pytest.mark.parametrize("file", GENERATED, ids=lambda f: f.name.split(".")[0])
def test_committed_certificates(file: Path) -> None:
    text = file.read_text()
    report = checker.check_text(text)
    assert [t.key for t in report.theorems] == list(body_of(text)["theorems"]) and core_accepts(text)
    assert all(t.statement and t.steps for t in report.theorems)


def test_there_are_committed_certificates() -> None:
    assert len(GENERATED) >= 9


@pytest.mark.parametrize("title", [t for t in registry() if not t.endswith("Pad3d")])
def test_first_variant_of_every_class(title: str) -> None:
    kind = registry()[title]
    report = checker.check_text(certificate_text(kind, kind.chosen({})))
    assert {t.key for t in report.theorems} == kind.claims(**kind.chosen({})).keys()


@pytest.mark.sweep
@pytest.mark.parametrize("title", registry())
def test_every_variant_in_under_a_second_a_theorem(title: str) -> None:
    kind, seen = registry()[title], 0
    for values in product(*kind.discrete.values()):
        try:
            choices = kind.chosen(dict(zip(kind.discrete, values, strict=True)))
            text = certificate_text(kind, choices)
        except LayerError:
            continue
        start = time.process_time()
        theorems = checker.check_text(text).theorems
        assert time.process_time() - start < len(theorems), f"{title} {choices}"
        assert checker.WORK.get() < checker.MOST_WORK / 5
        seen += 1
    assert seen


@pytest.mark.sweep
@pytest.mark.parametrize("name", theorems_between())
def test_theorems_between_layers(name: str) -> None:
    report = checker.check_text(between_certificate(name))
    assert {t.key for t in report.theorems} == theorems_between()[name].everything().keys()


def test_its_table_is_the_table_of_functions() -> None:
    table = {
        name: tuple((Fraction(c), tuple(product)) for c, product in terms)
        for name, terms in checker.DERIVATIVE.items()
    }
    assert table == dict(functions.DERIVATIVE)
    assert set(functions.PARAMETERS) == checker.FUNCTIONS


def test_what_is_proved_is_said(conv: str) -> None:
    statement = next(t for t in checker.check_text(conv).theorems if t.key == "bias").statement
    assert "s_w - 1 >= 0" in statement[0] and "bias[groups, K]" in statement[1]
    assert statement[-1] == (
        "therefore d loss/d bias[g, k] = grad_bias[g, k] := "
        "sum(n < N, o_w < W_out) grad_output[n, g, k, o_w] for all g < groups, k < K"
    )
    softmax = checker.check_text(certificate_text(Softmax, Softmax.chosen({})))
    assert any("exp(shifted[" in line for t in softmax.theorems for line in t.statement)


def test_it_stands_alone(conv: str, tmp_path: Path) -> None:
    """Copied, it runs without backflip in reach: 0 and what is proved, 1 on a forgery, 2 on other files."""
    alone = tmp_path / "alone.py"
    alone.write_bytes(Path(checker.__file__).read_bytes())
    body = body_of(conv)
    body["theorems"]["bias"]["definition side"].pop()
    files = {"right": conv, "forged": sealed(body), "changed": conv.replace("p_w", "q_w", 1), "other": "[]"}
    codes, said = {}, {}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        run = subprocess.run(
            [sys.executable, "-I", "-S", "alone.py", name], cwd=tmp_path, capture_output=True, text=True
        )
        codes[name], said[name] = run.returncode, run.stdout
        assert not run.stderr
    assert codes == {"right": 0, "forged": 1, "changed": 2, "other": 2}
    assert "therefore d loss/d input[n, g, c, i_w] = grad_input" in said["right"]
    assert said["forged"].startswith("REFUSED: bias: ")
    none = subprocess.run([sys.executable, "-I", "-S", "alone.py"], cwd=tmp_path, capture_output=True)
    assert none.returncode == 2 and not none.stderr


# ---- forgeries -----------------------------------------------------------------------------------


def test_a_changed_byte_is_refused(conv: str) -> None:
    """One bit of one byte: every bit of bytes all over the file."""
    data, rng = conv.encode(), random.Random(3)
    for at in [*range(0, 120, 7), *rng.sample(range(len(data)), 250)]:
        forged = bytearray(data)
        forged[at] ^= 1 << rng.randrange(8)
        try:
            text = forged.decode()
        except UnicodeDecodeError:
            continue
        assert not accepted(text), f"byte {at}: {data[at : at + 1]!r} became {forged[at : at + 1]!r}"


@pytest.mark.parametrize("name", FORGERIES)
def test_resealed_forgeries_are_refused(name: str) -> None:
    """With the digest made right again: refused by the checker and by the core, for the reason expected."""
    forge, reason = FORGERIES[name]
    text = certificate_text(Conv2d, Conv2d.chosen({}))
    body = one_of(text, "input")
    assert accepted(sealed(body))
    forge(body["theorems"]["input"])
    with pytest.raises(checker.Refused, match=reason):
        checker.check_text(sealed(body))
    assert not core_accepts(sealed(body))


def test_a_step_of_another_theorem(conv: str) -> None:
    for side in ("definition side", "closed-form side"):
        for at in range(3):
            body = body_of(conv)
            steps = body["theorems"]["weight"][side]
            body["theorems"]["input"][side][at] = steps[at]
            if body != body_of(conv):
                assert not accepted(sealed(body))


def test_another_theorem_is_none_of_that_title(conv: str, tmp_path: Path) -> None:
    """What the checker accepts as a theorem is still refused where its title claims another one."""
    for change in (
        lambda claim: claim["facts"].append("p_w - q_w = 0"),
        lambda claim: claim["facts"].remove("p_w >= 0"),
        lambda claim: claim["facts"].append("p_w + 1 >= 0"),
        lambda claim: claim.update(name="grad_of_bias"),
        lambda claim: claim["inputs"][0].update(layout=[[0], [3]]),
    ):
        body = one_of(conv, "bias")
        change(body["theorems"]["bias"]["claim"])
        body["theorems"] = {**body_of(conv)["theorems"], **body["theorems"]}
        assert accepted(sealed(body))
        with pytest.raises(ProofError, match="not the theorem of that title"):
            recheck(sealed(body), "file")
    body = body_of(conv)
    body["theorems"]["bias"]["claim"]["definitions"][0]["role"] = "other words"
    file = tmp_path / "c.json"
    file.write_text(sealed(body))
    assert check_file(file).ok
