"""Owns what a waiting user sees on stderr: a bar on a terminal, an estimate before a long wait."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self, TextIO

QUIET = 1.0
"""Seconds of a stage before anything is shown."""

LONG = 10.0
"""A stage expected to take longer than this many seconds is announced, on a terminal or not."""


class Progress:
    """Called with (stage, done, total) as work goes on; a context, so that a bar is gone at the end.

    The estimate is an extrapolation of the stage's own speed so far, made once a stage, not a guess made
    before it.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self._stage = ""
        self._begin = 0.0
        self._announced = False
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._close()
            self._stage, self._begin, self._announced = stage, now, False
            return
        elapsed = now - self._begin
        if elapsed < QUIET or done <= 0:
            return
        expected = elapsed * total / done
        if expected > LONG and not self._announced:
            self.note(f"{stage}: about {expected:.0f} s")
        self._announced = True
        if self.stream.isatty():
            self._show(done, total, now)

    def note(self, text: str) -> None:
        """One line on the stream, above the bar where there is one."""
        if self._bar is not None:
            self._bar.clear()
        print(text, file=self.stream, flush=True)

    def _show(self, done: int, total: int, now: float) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=self._stage, file=self.stream, leave=False, ascii=True)
            self._bar.start_t -= now - self._begin
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
