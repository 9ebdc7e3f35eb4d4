"""Owns the errors a user can meet: each says what, where, what was expected, what was got, and the mend."""

from __future__ import annotations


class BackflipError(Exception):
    """The common shape of every message backflip prints for a user.

    Args:
        what: the fault in one clause ("kernel is larger than the padded input").
        where: the argument, operand, step or file it concerns.
        expected: what would have been right.
        got: what was found.
        mend: what the reader can type or install to go on.
    """

    exit_code = 3

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        got: str = "",
        mend: str = "",
    ) -> None:
        self.what, self.where, self.expected, self.got, self.mend = what, where, expected, got, mend
        super().__init__(self.__str__())

    def __str__(self) -> str:
        fields = ("where", "expected", "got", "mend")
        lines = [f"  {name + ':':<10}{value}" for name in fields if (value := getattr(self, name))]
        return "\n".join([self.what, *lines])

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.__dict__)


class LayerError(BackflipError, ValueError):
    """The user's layer, shape or option is wrong (exit code 2)."""

    exit_code = 2


class ProofError(BackflipError):
    """A claim was refused by a judge (exit code 1)."""

    exit_code = 1


class LimitError(BackflipError):
    """The work asked for is larger than what backflip agrees to start (exit code 3)."""


def _rebuild(kind: type[BackflipError], fields: dict[str, str]) -> BackflipError:
    return kind(**fields)
