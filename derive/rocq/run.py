"""Owns the check of a script by Rocq: `coqc` accepts it, `coqchk` finds no axiom, and it says what it should.

Only sentences of the kinds that backflip writes are handed to Rocq.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from derive.errors import LayerError, LimitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from derive.claim import Argument
    from derive.recheck import CheckReport

MOST_CHARACTERS = 20_000_000
SECONDS = 3600
"""How long one program may run."""

NOTHING_SUPPOSED = (
    r"\* Theory: Set is predicative",
    r"\* Axioms:\s+<none>",
    r"\* Constants/Inductives relying on type-in-type:\s+<none>",
    r"\* Constants/Inductives relying on unsafe \(co\)fixpoints:\s+<none>",
    r"\* Inductives whose positivity is assumed:\s+<none>",
)
"""What coqchk has to say of everything that the theorems stand on, Rocq's own library too."""


def check_script(path: Path) -> CheckReport:
    """Have Rocq check a script that `prove --export rocq` wrote, and compare what it states.

    A script that is rejected is not proved, which does not say that it is false. LayerError where the file is
    not such a script; LimitError where Rocq is not installed or takes too long.
    """
    from derive.recheck import CheckReport
    from derive.rocq.export import claimed, header
    from derive.rocq.sentences import unexpected

    text = _read(path)
    title, choices, arguments = claimed(text, str(path))
    head, _, rest = text.partition("\n")
    if head != header(title, choices):
        return CheckReport(False, (f"REFUSED: the first line is not as backflip writes it: {head[:100]}",))
    if odd := unexpected(rest):
        return CheckReport(False, (f"REFUSED: what no script of backflip has: {odd}",))
    version = program_version()
    with tempfile.TemporaryDirectory(prefix="backflip-rocq-") as folder:
        fault = judged(Path(folder), text, arguments)
    if fault:
        return CheckReport(
            False,
            (f"{title}: NOT PROVED: Rocq rejects the script (which does not say that it is false)", *fault),
        )
    said = ", ".join(f"{key}={value}" for key, value in choices.items())
    return CheckReport(
        True,
        (
            f"{title}: ALL SIZES (Rocq), {len(arguments)} theorems accepted by the kernel of {version}",
            *([f"choices: {said}"] if said else []),
            *(
                f"{key}: states what backflip's claim of that name states; closed under the global context"
                for key in arguments
            ),
            "so do the lemmas about reads, lengths, sizes that exist, and PyTorch's layout",
            f"{text.count('Qed.'):,} lemmas; coqchk: no axioms",
        ),
    )


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise LayerError("not a file", where=str(path))
        if path.stat().st_size > MOST_CHARACTERS:
            raise LayerError(
                "file too large for a script", where=str(path), got=f"{path.stat().st_size:,} bytes"
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise LayerError("cannot read the file", where=str(path), got=str(fault)) from None


def program_version() -> str:
    """The version of coqc; LimitError where it is not installed."""
    if not (shutil.which("coqc") and shutil.which("coqchk")):
        raise LimitError(
            "no Rocq to check the script with",
            where="PATH",
            expected="coqc and coqchk",
            mend="install coq, 8.16 or later (Debian, Ubuntu: apt-get install --no-install-recommends coq); "
            "a certificate needs none: backflip check FILE.json",
        )
    done = subprocess.run(["coqc", "--print-version"], capture_output=True, text=True, check=False)
    return f"Rocq (Coq) {done.stdout.split()[0] if done.stdout.split() else 'of unknown version'}"


# ---- the programs -------------------------------------------------------------------------------------


def judged(folder: Path, text: str, arguments: Mapping[str, Argument]) -> list[str]:
    """What Rocq has against a script, line by line; nothing where it accepts all of it.

    Works in `folder`, where it compiles the support library unless that is there, compiled, already.
    """
    from derive.rocq.expected import expected
    from derive.rocq.export import LIBRARY, library

    again = [f"From {LIBRARY} Require Import {LIBRARY}.", f"From {LIBRARY} Require Script."]
    again += expected(arguments, "Script")
    files = {**library(), "Script.v": text, "Expected.v": "\n".join([*again, ""])}
    output = ""
    for name, content in files.items():
        if name in library() and (folder / name).with_suffix(".vo").exists():
            continue
        (folder / name).write_text(content, encoding="utf-8")
        code, output = _run(["coqc", "-q", "-Q", ".", LIBRARY, name], folder)
        if code:
            return _complaint(name, output)
    if output.splitlines() != ["Closed under the global context"] * len(arguments):
        return ["a theorem stands on an axiom", *output.splitlines()[:10]]
    return axioms(folder, [f"{LIBRARY}.Expected"])


def axioms(folder: Path, modules: Sequence[str]) -> list[str]:
    """What coqchk has against compiled modules and all that they stand on; nothing where it agrees."""
    from derive.rocq.export import LIBRARY

    code, output = _run(["coqchk", "-silent", "-o", "-Q", ".", LIBRARY, *modules], folder)
    if code or not all(re.search(line, output) for line in NOTHING_SUPPOSED):
        return ["coqchk does not agree", *output.splitlines()[-10:]]
    return []


def _complaint(name: str, output: str) -> list[str]:
    if name == "Expected.v":
        return [
            "a theorem of the script does not state what backflip's claim of that name states",
            *output.splitlines()[-6:],
        ]
    return output.replace("./", "").strip().splitlines()[:12]


def _run(command: list[str], folder: Path) -> tuple[int, str]:
    """Return code and output; the program and what it started are ended where it takes too long."""
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise LimitError(
                "Rocq did not finish", where=command[0], expected=f"at most {SECONDS} s"
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode < 0:
        raise LimitError(
            "Rocq was ended before it had finished", where=command[0], got=f"signal {-process.returncode}"
        )
    return process.returncode, output
