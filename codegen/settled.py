"""Owns which schedule a layer's kernels have here: chosen once, without regard to threads, and then kept.

Schedules add up in different orders, so the choice decides the bits of a result. The model chooses the same
one everywhere. What is timed differs from run to run: it is kept in the build cache, and later builds of that
kernel there, whatever their threads, their gradients or their level of validation, take it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from codegen import cache

if TYPE_CHECKING:
    from codegen.produce import Request
    from codegen.specialised import Candidate
    from codegen.tuning import Choice

KIND = "choices"
"""The folder of the build cache."""


def settled(request: Request, ranked: Mapping[str, Sequence[Candidate]]) -> list[Choice]:
    """One kernel for every key, in order: the model's, or where it is timed the one that was taken before.

    Args:
        ranked: by key its candidates for one thread, cheapest first by the model.

    Raises BuildError where a tool fails or the cache cannot be written.
    """
    from codegen.tuning import choose

    if not request.tune:
        return choose(ranked, request.isa, request.dtype, tune=False)
    keys = {key: replace(request, threads=1, level="fast", wanted=(key,)).key() for key in ranked}
    with cache.locked(cache.key_of({"choices": replace(request, threads=1, level="fast", wanted=()).key()})):
        known = {key: _kept(keys[key], found) for key, found in ranked.items()}
        fresh = [key for key, choice in known.items() if choice is None]
        made = choose({key: ranked[key] for key in fresh}, request.isa, request.dtype, tune=True)
        for key, choice in zip(fresh, made, strict=True):
            known[key] = choice
            cache.store(KIND, keys[key], {}, _told(choice))
    return [choice for choice in known.values() if choice is not None]


def _told(choice: Choice) -> dict[str, Any]:
    return {"number": choice.number, "tried": [asdict(t) for t in choice.tried]}


def _kept(key: str, found: Sequence[Candidate]) -> Choice | None:
    """The choice that the cache has; None where it has none, or other candidates."""
    from codegen.tuning import Tried, again

    entry = cache.find(KIND, key)
    if entry is None:
        return None
    try:
        listed = [Tried(str(t["note"]), t["cost"], t["seconds"]) for t in entry.record["tried"]]
        return again(found, int(entry.record["number"]), listed)
    except (KeyError, TypeError, ValueError):
        return None
