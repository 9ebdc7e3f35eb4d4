"""Owns files: a document is written whole or not at all, and LaTeX becomes PDF by a TeX found on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from derive.errors import LimitError

COMMANDS: dict[str, tuple[str, ...]] = {
    "latexmk": ("-pdf", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"),
    "pdflatex": ("-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"),
    "tectonic": ("--untrusted", "--keep-logs"),
}
"""TeX programs in the order of preference, with their arguments; the source file comes last."""

SECONDS = 120
"""How long TeX may run."""

EPOCH = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
"""No date of today in the PDF: the same document is the same file."""


def tex_program() -> str | None:
    """The name of the TeX program that `compile_pdf` would use, or None."""
    return next((program for program in COMMANDS if shutil.which(program)), None)


def compile_pdf(source: str) -> bytes:
    """The PDF of standalone LaTeX, made in a temporary directory that is gone afterwards.

    Raises LimitError where no TeX is installed, where it takes too long, and where it refuses the source.
    """
    program = tex_program()
    if program is None:
        raise LimitError(
            "no TeX to make a PDF with",
            where="PATH",
            expected=" or ".join(COMMANDS),
            got="none of them",
            mend="install texlive-latex-base and texlive-latex-recommended (Debian, Ubuntu), or tectonic; "
            "or save as .tex, .md or .txt, which need no TeX",
        )
    with tempfile.TemporaryDirectory(prefix="backflip-tex-") as folder:
        (Path(folder) / "document.tex").write_text(source, encoding="utf-8")
        return _run(program, Path(folder))


def _run(program: str, folder: Path) -> bytes:
    command = [str(shutil.which(program)), *COMMANDS[program], "document.tex"]
    try:
        done = subprocess.run(
            command, cwd=folder, env=os.environ | EPOCH, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise LimitError("TeX did not finish", where=program, expected=f"at most {SECONDS} s") from None
    pdf = folder / "document.pdf"
    if done.returncode or not pdf.is_file():
        raise LimitError(
            "TeX refused the document", where=program, got=_complaint(done.stdout.decode(errors="replace")),
            mend="save as .tex and compile it to see the whole log",
        )  # fmt: skip
    return pdf.read_bytes()


def _complaint(log: str) -> str:
    """The lines of a TeX log from its first error on."""
    lines = log.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("!")), max(0, len(lines) - 3))
    return " / ".join(line.strip() for line in lines[start : start + 3])


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there; raises LimitError where the place is not writable."""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise LimitError(
            "cannot write the document",
            where=str(path),
            expected="a file in a directory that exists and can be written",
            got=problem.strerror or type(problem).__name__,
            mend="give another path",
        ) from None


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
