"""Owns where builds are kept: entries by content, written whole or not at all, checked before they are used.

Two stages: a request (what was asked for, with the digest of backflip's own files) names a source; a
source with headers, flags, compiler, Cython, ABI, CPU features and the digest of what checked it names a
binary. An entry is a folder with a record that holds the sha256 of its files; one that does not match its
record is never used.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from codegen.errors import BuildError

RECORD = "record.json"
OWN_SUFFIXES = (".py", ".jinja", ".h", ".json")


def folder() -> Path:
    """BACKFLIP_CACHE, or `backflip` in the user's cache directory."""
    given = os.environ.get("BACKFLIP_CACHE")
    if given:
        return Path(given).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "backflip"


def key_of(parts: Mapping[str, Any]) -> str:
    """sha256 of named parts in a fixed order."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """The digest that a generated text carries of itself, as `source_digest()` of its module returns it.

    The text ends in `return "<digest>"`; what is digested has nothing between those quotes.
    """
    own = stated_digest(text)
    return hashlib.sha256(text.replace(f'return "{own}"', 'return ""').encode()).hexdigest()


def stated_digest(text: str) -> str:
    """What a generated text says its digest is, right or wrong."""
    return text.rpartition('return "')[2].partition('"')[0]


@cache
def own_digest() -> str:
    """sha256 of backflip's own files: a change of any of them asks for every build anew."""
    total = hashlib.sha256()
    for root in (Path(__file__).parent, Path(__file__).parent.parent / "derive"):
        for path in sorted(p for p in root.rglob("*") if p.suffix in OWN_SUFFIXES):
            total.update(f"{root.name}/{path.relative_to(root).as_posix()}\0".encode())
            total.update(path.read_bytes() + b"\0")
    return total.hexdigest()


@dataclass(frozen=True)
class Entry:
    """One folder of the cache whose files match their record."""

    path: Path
    record: Mapping[str, Any]


def find(kind: str, key: str) -> Entry | None:
    """The entry, or None where there is none or a file of it is not what its record says."""
    try:
        return entry_in(folder() / kind / key, key)
    except BuildError:
        return None


def entry_in(path: Path, key: str | None = None) -> Entry:
    """The entry that a folder is, under its key where that is given.

    Raises BuildError where it has no record, or a file is not what the record says.
    """
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
        files, own = dict(record["files"]), record["key"]
        found = {title: file_digest(path / title) for title in files}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise refused(path, f"a folder with {RECORD} and the files it names", _absent(fault)) from None
    if key not in (None, own):
        raise refused(path, f"the entry of key {key}", f"a record of key {own}")
    for title, wanted in files.items():
        if found[title] != wanted:
            raise refused(path / title, f"sha256 {wanted}", f"sha256 {found[title]}")
    return Entry(path, record)


def _absent(fault: Exception) -> str:
    """What an entry lacks, in words."""
    match fault:
        case FileNotFoundError():
            return f"no {Path(str(fault.filename)).name} there"
        case KeyError():
            return f"a record without {fault}"
        case OSError():
            return f"{Path(str(fault.filename)).name}: {fault.strerror}"
    return f"a record that cannot be read: {fault}"


def refused(path: Path, expected: str, got: str) -> BuildError:
    return BuildError(
        "the files of a kernel do not match their record",
        where=str(path),
        expected=expected,
        got=got,
        mend="build it again (`backflip build -o DIR` writes such a folder for a layer, not for a graph)",
    )


def store(kind: str, key: str, files: Mapping[str, Path], facts: Mapping[str, Any]) -> Entry:
    """Copies files into a new entry and puts it in place in one rename; an entry in the way is replaced.

    Raises BuildError where the cache cannot be written.
    """
    place = folder() / kind / key
    with _reported(), tempfile.TemporaryDirectory(prefix=".new-", dir=_made(place.parent)) as work:
        fresh = Path(work) / "entry"
        fresh.mkdir()
        for title, source in files.items():
            shutil.copyfile(source, fresh / title)
        digests = {title: file_digest(fresh / title) for title in files}
        record = {**facts, "key": key, "files": digests}
        (fresh / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        if place.exists():
            place.rename(Path(work) / "old")
        fresh.rename(place)
    return Entry(place, record)


@contextmanager
def locked(key: str) -> Iterator[None]:
    """One builder of a key at a time, over processes; the lock goes with the process that holds it."""
    with _reported():
        file = (_made(folder() / "locks") / key).open("w")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise BuildError(
            "cannot write to the build cache",
            where=str(folder()),
            expected="a folder that may be written to",
            got=str(fault),
            mend="set BACKFLIP_CACHE to such a folder",
        ) from None


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def folders() -> list[Path]:
    """Where binaries lie, whole or not, in order of their keys."""
    place = folder() / "binaries"
    found = place.iterdir() if place.is_dir() else ()
    return sorted(p for p in found if not p.name.startswith("."))


def clear() -> int:
    """Removes everything backflip keeps there; the number of binaries removed."""
    count = len(folders())
    with _reported():
        for kind in ("requests", "binaries", "choices", "locks"):
            if (folder() / kind).exists():
                shutil.rmtree(folder() / kind)
        with suppress(OSError):
            folder().rmdir()
    return count
