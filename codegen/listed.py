"""Owns the definitions of a program while it is rewritten: their readers, new ones, unread ones left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile

from derive.expr import Apply, Definition, Expr, Tensor, entry_of
from derive.index import Index


@dataclass(frozen=True)
class Use:
    """A place where a stage is read: its definition, term and factor, and the function ("" where none)."""

    reader: str
    term: int
    factor: int
    function: str


@dataclass
class Listed:
    """Definitions by the names of their tensors, in order, the right side's last.

    Attributes:
        last: the name of the right side's.
        helpers: the names that were made up.
    """

    definitions: dict[str, Definition]
    last: str
    helpers: set[str] = field(default_factory=set)

    def uses(self) -> dict[str, list[Use]]:
        found: dict[str, list[Use]] = {}
        for reader, definition in self.definitions.items():
            for t, term in enumerate(definition.body.terms):
                for f, factor in enumerate(term.factors):
                    read = entry_of(factor)
                    if read is not None:
                        function = factor.function if isinstance(factor, Apply) else ""
                        found.setdefault(read.tensor.name, []).append(Use(reader, t, f, function))
        return found

    def sweep(self) -> None:
        """Definitions that nothing reads any more left out."""
        while unread := [n for n in self.definitions if n != self.last and n not in self.uses()]:
            for title in unread:
                del self.definitions[title]

    def fresh(self, wanted: str) -> str:
        taken = {*self.definitions, *self.helpers, *self.uses()}
        name, number = wanted, 1
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        self.helpers.add(name)
        return name

    def insert(self, definition: Definition, before: str) -> None:
        """A new definition in front of the one that reads it."""
        items = []
        for title, known in self.definitions.items():
            if title == before:
                items.append((definition.tensor.name, definition))
            items.append((title, known))
        self.definitions = dict(items)

    def known_or_stage(self, own: tuple[Index, ...], body: Expr, before: Definition) -> Tensor:
        """The stage of an earlier definition that is the same sum, or a new one."""
        earlier = takewhile(lambda d: d.tensor != before.tensor, self.definitions.values())
        known = next((d for d in earlier if (d.indices, d.body) == (own, body)), None)
        return known.tensor if known is not None else self.stage("sum", own, body, before)

    def stage(self, wanted: str, own: tuple[Index, ...], body: Expr, before: Definition) -> Tensor:
        tensor = Tensor(self.fresh(wanted), tuple(i.extent for i in own))
        self.insert(Definition(tensor, own, body, "a part of it"), before.tensor.name)
        return tensor
