"""Owns the file of results: one JSON of rows by key, written whole after each row; a run goes on from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from derive.errors import BackflipError
from derive.pdf import write_whole


class Store:
    """The rows of a file; an absent file has none. Raises ValueError where the file is none of results."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: dict[str, Any] = {"rows": {}}
        if path.exists():
            self.data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(self.data, dict) or not isinstance(self.data.get("rows"), dict):
            raise ValueError(f"{path} is not a file of results")

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.data["rows"]
        return found

    def put(self, key: str, row: dict[str, Any], header: dict[str, Any]) -> None:
        """Add a row; what an earlier run measured of implementations that this one left out is kept apart."""
        before = self.rows.get(key, {})
        known = {**before.get("earlier", {}), **before.get("entries", {})}
        earlier = {n: e for n, e in known.items() if n not in row["entries"] and not e.get("own")}
        self.rows[key] = {**row, **({"earlier": earlier} if earlier else {})}
        self.data |= header
        self.write()

    def check_machine(self, here: str) -> None:
        """Rows of two processors are not for one file. Raises BackflipError where it has another's."""
        known = self.data.get("machine", {}).get("processor")
        if self.rows and known != here:
            raise BackflipError(
                "the results are of another processor",
                where=str(self.path),
                expected=f"rows of {known}",
                got=here,
                mend="give a file of this machine's own with --json",
            )

    def write(self) -> None:
        """The whole file, or the one before."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, text_of(self.data).encode())


def text_of(data: dict[str, Any]) -> str:
    """JSON with a row's implementations a line each, so that a change of one shows as one."""
    rows = data["rows"]
    head = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in data.items() if k != "rows"]
    body = ",\n".join(f"{json.dumps(key)}: {_row(row)}" for key, row in rows.items())
    return "{\n" + "".join(f"{line},\n" for line in head) + f'"rows": {{\n{body}\n}}\n}}\n'


def _row(row: dict[str, Any]) -> str:
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in row.items() if k not in ("entries", "earlier")]
    for part in ("entries", "earlier"):
        if part in row:
            listed = ",\n   ".join(f"{json.dumps(n)}: {json.dumps(e)}" for n, e in row[part].items())
            lines.append(f"{json.dumps(part)}: {{\n   {listed}}}")
    return "{" + ",\n  ".join(lines) + "}"


def best_peers(row: dict[str, Any], count: int = 2) -> list[str]:
    """The peers, as `--against` names them, that were quickest when the row was measured, and PyTorch."""
    known = {**row.get("earlier", {}), **row["entries"]}
    timed = [e for e in known.values() if "least" in e and not e.get("own") and e.get("counted", True)]
    ordered = [e["peer"] for e in sorted(timed, key=lambda e: float(e["least"]))]
    found = list(dict.fromkeys(ordered))[:count]
    return found if "torch" in found else [*found, "torch"]
