"""TRUST.md says what is so: sizes, labels, checks, attacks and their tests, paths; no claim of priority."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from derive.explain import CHECKS, LABELS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "TRUST.md").read_text(encoding="utf-8")
ATTACKS = (
    *("both sides built alike", "vacuous hypotheses", "dropped conditions", "multiplicities"),
    *("detached LaTeX", "unknown counted as proved", "stride 1 only", "fixed seeds", "wrong ring bound"),
    *("exact build unlike the shipped one", "int overflow", "ties", "p - y without sum y = 1"),
    *("wrong forward definition", "factorised called exhaustive", "name capture"),
)


def section(title: str) -> str:
    """The text under a heading, up to the next."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the tables of a text, without their heads."""
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [cells for cells in lines if cells[0] not in ("what", "attack") and not cells[0].startswith("-")]


# ---- sizes -----------------------------------------------------------------------------------------


def files(cell: str) -> list[Path]:
    """The files that the first cell of a row names."""
    folder, *names = re.findall(r"`([^`]+)`", cell)
    place = ROOT / folder
    if "every header" in cell:
        return sorted(place.glob("*.h"))
    if "the template" in cell:
        return sorted(place.iterdir())
    return [place / f"{name}.py" for name in names]


def trusted(title: str) -> list[Path]:
    return [f for cells in rows(section(title)) for f in files(cells[0])]


STANDS = (
    "What a theorem for all sizes stands on",
    "What a verdict at one size stands on",
    "What a kernel stands on",
)


@pytest.mark.parametrize("title", STANDS)
def test_sizes_are_counted(title: str) -> None:
    """Within an eighth, so that a page need not change with every line."""
    found = rows(section(title))
    assert len(found) >= 3
    for cells in found:
        lines = sum(len(f.read_text(encoding="utf-8").splitlines()) for f in files(cells[0]))
        assert abs(lines - int(cells[1])) <= lines / 8, f"{cells[0]}: {cells[1]} said, {lines} counted"


def test_the_trusted_core_is_what_architecture_says() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    said = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    yes = [cells[1] for cells in said if len(cells) > 4 and cells[3].strip().startswith("yes")]
    named = {ROOT / name for cell in yes for name in re.findall(r"`([^`]+\.py)`", cell)}
    assert named == set(trusted(STANDS[0])) and len(named) >= 10


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reached(start: str) -> set[Path]:
    """The modules of one package that a module imports, directly or through others."""
    package, seen, pending = start.partition(".")[0], set[Path](), [start]
    while pending:
        module = pending.pop()
        file = ROOT / f"{module.replace('.', '/')}.py"
        if module.startswith(f"{package}.") and file.exists() and file not in seen:
            seen.add(file)
            pending += imported(file)
    return seen


@pytest.mark.parametrize(("start", "title"), [("derive.proof", STANDS[0]), ("codegen.validate", STANDS[2])])
def test_nothing_that_judges_is_left_out(start: str, title: str) -> None:
    """Every module that checker and validator import stands on the page."""
    missing = reached(start) - set(trusted(title)) - {ROOT / "derive/errors.py"}
    assert not missing, f"name in TRUST.md, {title}: {sorted(f.name for f in missing)}"
    assert len(reached(start)) >= 10


# ---- labels and checks -----------------------------------------------------------------------------


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", " ".join(text.split())))


def test_every_label_and_check_is_named_and_none_besides() -> None:
    proofs, kernels = section("Labels").split("And of the checks of a compiled kernel")
    assert quoted(proofs) - {"backflip explain LABEL"} == LABELS.keys()
    assert quoted(kernels) - {"k.proof", "backflip build", "python -m codegen.audit"} == CHECKS.keys()


def methods() -> set[str]:
    """The methods under which codegen lists checks: the second argument of every Check."""
    found = set()
    for file in sorted((ROOT / "codegen").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Check" and len(node.args) > 1:
                argument = node.args[1]
                assert isinstance(argument, ast.Constant), f"{file.name}:{node.lineno}: name the method"
                found.add(str(argument.value))
    return found


def test_every_check_of_a_kernel_is_explained() -> None:
    assert methods() == CHECKS.keys() and len(CHECKS) >= 10


def test_meanings_are_not_typed_twice() -> None:
    """No run of nine words of an explanation stands on the page."""
    page = " ".join(PAGE.split())
    for text in (*LABELS.values(), *CHECKS.values()):
        words = text.split()
        runs = [" ".join(words[i : i + 9]) for i in range(len(words) - 8)]
        assert not [run for run in runs if run in page]


# ---- attacks and paths -----------------------------------------------------------------------------


def attack_tests() -> dict[str, ast.FunctionDef]:
    found = {}
    for file in sorted((ROOT / "tests").glob("test_attacks*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[node.name] = node
    return found


def test_every_attack_has_its_test() -> None:
    found, known = rows(section("Attacks")), attack_tests()
    assert tuple(cells[0] for cells in found) == ATTACKS and len(ATTACKS) == 16
    for name, tests, answer in found:
        named = re.findall(r"`(test_\w+)`", tests)
        assert named and answer and not set(named) - known.keys(), name
    used = {t for cells in found for t in re.findall(r"`(test_\w+)`", cells[1])}
    assert len(used) >= 16


def test_every_path_exists() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    named = [p for p in quoted(PAGE) if re.fullmatch(r"(derive|codegen|tests|benchmarks)/[\w./]*", p)]
    assert len(named) >= 4
    assert [p for p in (*linked, *named) if not (ROOT / p).exists()] == []


# ---- no claim of priority --------------------------------------------------------------------------

PRIORITY = re.compile(
    r"\bthe first (ever|of its kind|system|tool|library|framework|project|automatic|formal\w*|verified)\b|"
    r"\bfirst to (prove|check|verify|show|offer|machine|do|have|combine)\b|\bmachine.checked first\b|"
    r"\bfor the first time\b|\bfirst.of.its.kind\b|\bnever (been done )?before\b|\bunprecedented\b|"
    r"\bno other (tool|system|library|project|framework)\b|\bworld.s (first|only|best)\b|"
    r"\b(we|backflip) (is|are|was|were) the (first|only|best)\b|\bstate.of.the.art\b|\bnovel\b",
    re.IGNORECASE,
)
TEXT = {".py", ".md", ".h", ".jinja", ".v", ".toml", ".tex", ".txt", ".json", ".svg"}
ELSEWHERE = {".git", ".venv", "build", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def claims_of_priority(root: Path) -> list[str]:
    found = []
    for file in sorted(root.rglob("*")):
        parts = file.relative_to(root).parts
        if file.suffix in TEXT and not ELSEWHERE & set(parts) and file != Path(__file__).resolve():
            text = " ".join(file.read_text(encoding="utf-8", errors="replace").split())
            found += [f"{'/'.join(parts)}: {hit.group()}" for hit in PRIORITY.finditer(text)]
    return found


def test_nobody_claims_to_have_been_first() -> None:
    assert claims_of_priority(ROOT) == []


@pytest.mark.parametrize(
    "claim",
    [
        "This is the first tool that proves it.",
        "Gradients are checked for the first\ntime.",
        "backflip is the only one",
        "a novel checker",
        "No other system does.",
    ],
)
def test_a_claim_of_priority_is_seen(claim: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(claim)
    assert len(claims_of_priority(tmp_path)) == 1
    (tmp_path / "README.md").write_text("The first entry to differ; the first of two. It was there before.")
    assert claims_of_priority(tmp_path) == []
