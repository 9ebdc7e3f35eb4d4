"""Owns the Rocq scripts: one lemma for each step of a theorem, over a small support library, and their check.

Nothing here is believed: a script either passes Rocq's kernel or proves nothing.
"""

from __future__ import annotations

from derive.rocq.export import between_script, library, script
from derive.rocq.run import check_script

__all__ = ["between_script", "check_script", "library", "script"]
