"""Owns the import walls and the forbidden constructs, read off syntax trees; each rule is shown to bite."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NUMERIC = (
    r"derive/(exhaust\w*|evaluate\w*|numbers_\w+|judge_\w+|graph_field|program|verif\w+|search"
    r"|museum/(as_function|verdicts|functions\w*))\.py"
)
"""Files of derive that may import NumPy; search.py is for maintainers."""

LANGUAGE = r"derive\.(index|expr|functions|claim|instance|errors)"


@dataclass(frozen=True)
class Wall:
    """In files whose path matches `where` (and not `but`), no import may match `banned` (and not `free`)."""

    why: str
    where: str
    banned: str
    but: str = r"(?!)"
    free: str = r"(?!)"


WALLS = (
    Wall(
        "derive never imports codegen or its tools",
        r"derive/.*",
        r"(codegen|jinja2|[Cc]ython|torch|generated)\b.*",
    ),
    Wall("numbers stay with the judges", r"derive/.*", r"(numpy|scipy)\b.*", NUMERIC),
    Wall(
        "the trusted core knows no rule and no layer",
        r"derive/(index|expr|functions|claim|equality|steps|certify|check|proof|meaning|exhaust\w*)\.py",
        r"derive\.(rules|layers|statements|strategy|search|oracle)\b.*",
        free=r"derive\.layers\.base(\.(Layer|flat_index))?",
    ),
    Wall(
        "a layer sees the language, its statement, its array program and the shared checks",
        r"derive/layers/(?!__init__|base)\w+\.py",
        r"derive\b.*",
        free=rf"{LANGUAGE}(\..*)?|derive\.layers\.(base|codes|shapes|windows)(\..*)?|derive\.(statements|program)\b.*",
    ),
    Wall(
        "a statement sees only the language and other statements",
        r"derive/statements/.*",
        r"derive\b.*",
        free=rf"{LANGUAGE}(\..*)?|derive\.statements\b.*",
    ),
    Wall(
        "a theorem between layers sees the language and the statements, no layer and no judge",
        r"derive/between/.*",
        r"derive\b.*",
        free=rf"{LANGUAGE}(\..*)?|derive\.(statements|between|toom)\b.*",
    ),
    Wall(
        "a rule sees only the language and the steps",
        r"derive/rules/.*",
        r"derive\b.*",
        free=rf"{LANGUAGE}(\..*)?|derive\.(rules|steps|equality)\b.*",
    ),
    Wall(
        "notation sees only the language and itself",
        r"derive/notation/.*",
        r"derive\b.*",
        free=rf"{LANGUAGE}(\..*)?|derive\.notation\b.*|derive\.layers\.base\.flat_index|derive\.layers\.base",
    ),
    Wall("nothing imports generated/", r"(derive|codegen|tests|examples)/.*", r"generated\b.*"),
    Wall(
        "only codegen.cli imports a cli",
        r"(derive|codegen|examples)/.*",
        r"(derive|codegen)\.cli(_\w+)?\b.*",
        r"(derive|codegen)/cli(_\w+)?\.py",
    ),
    Wall(
        "the one-file checker stands alone: the standard library only",
        r"derive/checker\.py",
        r".*",
        free=rf"({'|'.join(sorted(sys.stdlib_module_names))})(\..*)?",
    ),
    Wall(
        "the product knows nothing of the museum",
        r"(derive|codegen|examples)/.*",
        r"(derive|codegen)\.museum\w*\b.*",
        r"derive/museum/.*|codegen/(museum\w*|gallery)\.py",
    ),
    Wall(
        "an exhibit is said in the language, by edits of a layer's claim",
        r"derive/museum/(edits|catalogue_\w+)\.py",
        r"derive\b.*",
        free=rf"{LANGUAGE}(\..*)?|derive\.museum(\.(edits|exhibit|catalogue_\w+))?(\..*)?|derive\.layers\.base(\.Layer)?",
    ),
    Wall("no pickles", r"(derive|codegen|examples)/.*", r"(pickle|marshal|shelve|dill|cloudpickle)\b.*"),
)


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every imported name, wherever it stands: "a.b" of import a.b, "a" and "a.b" of from a import b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from ((node.lineno, a.value) for a in node.args[:1] if isinstance(a, ast.Constant))


def forbidden(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Constructs that no file of the product may hold."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("eval", "exec", "compile", "os.system", "os.popen", "input"):
                yield node.lineno, f"calls {called}"
            if any(k.arg == "shell" and ast.unparse(k.value) != "False" for k in node.keywords):
                yield node.lineno, "starts a shell"
            if called.split(".")[-1] == "Theorem" and path != "derive/proof.py":
                yield node.lineno, "makes a Theorem outside derive/proof.py"
        elif isinstance(node, ast.ExceptHandler) and (
            node.type is None or ast.unparse(node.type) == "Exception"
        ):
            yield node.lineno, "catches every exception"
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "relative import"


def violations(root: Path) -> list[str]:
    """ "file:line: what, why" for every wall that a tree breaks."""
    found = []
    for file in sorted(
        f for part in ("derive", "codegen", "examples", "tests") for f in (root / part).rglob("*.py")
    ):
        path = file.relative_to(root).as_posix()
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for wall in WALLS:
            if re.fullmatch(wall.where, path) and not re.fullmatch(wall.but, path):
                found += [
                    f"{path}:{line}: imports {name}: {wall.why}"
                    for line, name in imported(tree)
                    if re.fullmatch(wall.banned, name) and not re.fullmatch(wall.free, name)
                ]
        if not path.startswith("tests/"):
            found += [f"{path}:{line}: {what}" for line, what in forbidden(path, tree)]
    return found


def test_the_tree_keeps_the_walls() -> None:
    assert list((ROOT / "derive").rglob("*.py")), "nothing was looked at"
    assert violations(ROOT) == []


PLANTED = {
    "derive to codegen": ("derive/api.py", "from codegen.loops import Loop"),
    "derive to codegen, lazily": ("derive/document.py", "def f():\n    import jinja2"),
    "derive to codegen, by name": (
        "derive/api.py",
        "import importlib\nimportlib.import_module('codegen.build')",
    ),
    "numpy in the language": ("derive/expr.py", "import numpy as np"),
    "numpy in a layer": ("derive/layers/pool.py", "from numpy import array"),
    "the one-file checker to backflip": ("derive/checker.py", "from derive.index import Form"),
    "the one-file checker to SymPy": ("derive/checker.py", "def f():\n    import sympy"),
    "core to rules": ("derive/check.py", "from derive.rules import chain"),
    "core to layers": ("derive/exhaust_rows.py", "from derive.layers.conv import Conv2d"),
    "core to layers, whole": ("derive/meaning.py", "import derive.layers"),
    "core to search": ("derive/check.py", "from derive import oracle"),
    "layer to layer": ("derive/layers/pool.py", "from derive.layers.conv import Conv2d"),
    "layer to judge": ("derive/layers/pool.py", "from derive.check import check"),
    "a theorem between layers to a judge": ("derive/between/new.py", "from derive.check import check"),
    "a theorem between layers to a layer": ("derive/between/new.py", "from derive.layers.conv import Conv2d"),
    "statement to layer": ("derive/statements/pool.py", "from derive.layers.base import Layer"),
    "rule to judge": ("derive/rules/new.py", "import derive.meaning"),
    "notation to rules": ("derive/notation/svg.py", "from derive.rules import chain"),
    "generated": ("codegen/build.py", "import generated.kernel"),
    "generated in tests": ("tests/test_new.py", "from generated import kernel"),
    "a cli": ("codegen/build.py", "from derive import cli"),
    "a part of a cli": ("codegen/build.py", "from derive.cli_prove import prove_command"),
    "a cli in an example": ("examples/new.py", "from codegen.cli import main"),
    "the museum in the product": ("derive/judge.py", "from derive.museum import exhibits"),
    "its kernels in the product": ("codegen/validate.py", "from codegen.museum import Cabinet"),
    "a judge in an exhibit": ("derive/museum/catalogue_new.py", "from derive.exhaust import compare"),
    "pickle": ("codegen/cache.py", "import pickle"),
    "eval": ("derive/spelling.py", "eval('1')"),
    "exec": ("codegen/build.py", "exec('1')"),
    "shell": ("codegen/build.py", "import subprocess\nsubprocess.run('gcc', shell=True)"),
    "every exception": ("codegen/build.py", "try:\n    pass\nexcept Exception:\n    pass"),
    "bare except": ("codegen/build.py", "try:\n    pass\nexcept:\n    pass"),
    "a theorem from nowhere": ("derive/api.py", "from derive.proof import Theorem\nTheorem(None)"),
    "relative import": ("derive/api.py", "from .errors import LayerError"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_breach_is_seen(name: str, tmp_path: Path) -> None:
    path, text = PLANTED[name]
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert [v for v in violations(tmp_path) if v.startswith(path)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("derive/checker.py", "from __future__ import annotations\nfrom collections.abc import Mapping"),
        ("derive/exhaust.py", "import numpy\nfrom derive.layers.base import flat_index"),
        (
            "derive/layers/pool.py",
            "from derive.layers.shapes import whole\nfrom derive.statements.pool import Pool",
        ),
        ("codegen/cli.py", "from derive import cli"),
        ("codegen/build.py", "import subprocess\nsubprocess.run(['gcc'], shell=False)"),
        ("tests/test_new.py", "eval('1')"),
    ],
)
def test_what_is_allowed_is_not_seen(path: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert violations(tmp_path) == []
