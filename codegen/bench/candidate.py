"""Owns what a contestant is: a call, what it returned as arrays, and the context that it runs in."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any

from codegen.bench.task import Array, NotOffered, Task


@dataclass(frozen=True)
class Candidate:
    """One implementation of a task, ready to be called.

    Attributes:
        name: as tables show it.
        call: does the operation once, on operands that were prepared before.
        arrays: what a call returned, as NumPy arrays in the layout of `layer.operands`, the results in order.
        around: a context entered once a sample, around all its calls (inference mode).
        own: whether it is a kernel of backflip.
        counted: whether a win or loss against it is one; not so where its arrays have another layout.
        note: what was done for it.
        peer: the name of the peer that it is of; none where it is backflip's.
    """

    name: str
    call: Callable[[], Any]
    arrays: Callable[[Any], list[Array]]
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    own: bool = False
    counted: bool = True
    note: str = ""
    peer: str = ""


class PeersCode:
    """A context in which a peer prepares: what fails in it is not offered, its warnings are none of ours."""

    def __enter__(self) -> None:
        self.quiet = warnings.catch_warnings()
        self.quiet.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.quiet.__exit__(kind, fault, trace)
        if isinstance(fault, Exception) and not isinstance(fault, NotOffered):
            said = str(fault).strip().partition("\n")[0][:120]
            raise NotOffered(f"failed: {type(fault).__name__}: {said}") from None


@dataclass(frozen=True)
class Peer:
    """An implementation that may be installed.

    Attributes:
        name: as `--against` takes it.
        needs: modules that must be there.
        make: the candidates for a task and its operands; raises NotOffered where there is none.
        distribution: whose version is told.
    """

    name: str
    needs: tuple[str, ...]
    make: Callable[[Task, dict[str, Array]], list[Candidate]]
    distribution: str

    def missing(self) -> str | None:
        """Why it cannot take part, or None."""
        from importlib.util import find_spec

        absent = [module for module in self.needs if find_spec(module) is None]
        return f"not installed: {', '.join(absent)}" if absent else None

    def version(self) -> str:
        """The installed version, or why there is none; nothing is imported."""
        try:
            return self.missing() or version(self.distribution)
        except PackageNotFoundError:
            return "unknown"
