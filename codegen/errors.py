"""Owns the error that building or calling a kernel can end in."""

from __future__ import annotations

from derive.errors import BackflipError


class BuildError(BackflipError):
    """A kernel could not be built, stored or loaded (exit code 3); says what to install or change."""

    exit_code = 3


class Untraceable(BuildError):
    """A definition whose terms the trace cannot tell apart; other checks take its place."""
