"""generated/ is what would be written now; a certificate in it re-checks; drift is seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from codegen.gallery import EXAMPLES, FOLDER, drift
from derive.api import check_file


def test_nothing_drifted() -> None:
    assert drift() == [], "run: python -m codegen.gallery"


def test_drift_is_seen(tmp_path: Path) -> None:
    copy = tmp_path / "generated"
    shutil.copytree(FOLDER, copy)
    kernel = copy / EXAMPLES[0][0] / "kernel.pyx"
    kernel.write_text(kernel.read_text().replace("v_fma", "v_fmx", 1) + "\n")
    (copy / EXAMPLES[1][0] / "derivation.tex").unlink()
    (copy / "stray.txt").write_text("x")
    assert [line.split(":")[0] for line in drift(copy)] == ["changed", "missing", "superfluous"]


def test_the_certificate_checks() -> None:
    assert check_file(FOLDER / "Conv2d.certificate.json").ok


@pytest.mark.parametrize("word", ["/tmp", "/home", "/root", ".venv"])
def test_no_place_of_a_machine(word: str) -> None:
    assert not [p for p in FOLDER.rglob("*") if p.is_file() and word in p.read_text()]
