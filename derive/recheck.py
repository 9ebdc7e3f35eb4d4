"""Owns the answer to `check FILE`: what re-checking a certificate file or a Rocq script found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from derive import checker
from derive.certificate import MOST_CHARACTERS, bare, encode_claim
from derive.domain import supposed
from derive.errors import BackflipError, LayerError, ProofError
from derive.theorems import BETWEEN, LABEL, stated


@dataclass(frozen=True)
class CheckReport:
    """What re-checking a file found."""

    ok: bool
    lines: tuple[str, ...]


def check_file(path: str | Path) -> CheckReport:
    """Re-check a certificate file, or a Rocq script (`.v`); LayerError where it cannot be read as one."""
    file = Path(path)
    if file.suffix == ".v":
        from derive.rocq import check_script

        return check_script(file)
    try:
        if file.stat().st_size > MOST_CHARACTERS:
            raise LayerError(
                "file too large for a certificate", where=str(path), got=f"{file.stat().st_size:,} bytes"
            )
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise LayerError("cannot read the file", where=str(path), got=str(fault)) from None
    try:
        title, lines = recheck(text, str(path))
    except LayerError:
        raise
    except BackflipError as refusal:
        return CheckReport(False, (f"REFUSED: {refusal}",))
    return CheckReport(True, (f"{title}: every theorem holds, for the choices below", *lines))


def recheck(text: str, where: str) -> tuple[str, list[str]]:
    """What the one-file checker alone says of a certificate file, and whether that is what its title claims.

    Returns the layer's name and one line a theorem. Raises LayerError where the file is not a
    certificate or was changed, ProofError where the checker refuses or where what is proved is not
    what the layer claims (a weakened hypothesis, a missing theorem).
    """
    report = _report(text, where)
    title = report.title
    claims, full = stated(title, report.choices, where)
    keys = [theorem.key for theorem in report.theorems]
    if claims.keys() != set(keys):
        raise ProofError(
            "theorems are missing or added", where=where, expected=", ".join(claims), got=", ".join(keys)
        )
    lines = []
    for theorem in report.theorems:
        if bare(theorem.claim) != bare(encode_claim(claims[theorem.key])):
            raise ProofError(
                "this is not the theorem of that title",
                where=f"{where}: {theorem.key}",
                expected=f"{title}'s claim",
            )
        named = theorem.key if title.startswith(BETWEEN) else theorem.claim["name"]
        lines.append(f"{named}: {LABEL}; {theorem.steps} steps, {theorem.certificates} certificates")
    said = ", ".join(f"{key}={value}" for key, value in full.items())
    lines += [f"choices: {said}"] if full else []
    return title, [*lines, *supposed(list(claims.values())), f"certificate sha256 {report.digest}"]


def _report(text: str, where: str) -> checker.Report:
    try:
        return checker.check_text(text)
    except checker.NotACertificate as fault:
        raise LayerError(
            "not a certificate file",
            where=where,
            expected="a file as backflip prove --certificate writes it",
            got=str(fault),
            mend="write it anew with backflip prove CLASS --all-sizes --certificate FILE",
        ) from None
    except checker.Refused as refusal:
        raise ProofError("the checker refuses the proof", where=where, got=str(refusal)) from None
