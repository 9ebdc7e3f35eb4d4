"""Owns what may stand in a script before Rocq sees it: only sentences of the kinds that backflip writes.

Rocq's kernel decides what is proved; this decides what is run. A comment has lines of its own, there is no
text in quotes, and a sentence begins with a known command or tactic, so that this reading and Rocq's agree.
"""

from __future__ import annotations

import re

COMMENT = re.compile(r'^\(\* (?:(?!\(\*|\*\))[^"])* \*\)$', re.MULTILINE)
QUOTED = 'Set Default Proof Using "All".'
"""The one sentence with quotes."""

ODD = re.compile(r"[^\n !%&'()*+,./0-9:;<=>?A-Z\[\\\]a-z_{|}Σ-]|\(\*|\*\)")
"""What never stands outside of comments and of that sentence."""

NAME = r"[A-Za-z_][\w']*"
COMMANDS = (
    r"From Backflip Require Import Backflip",
    rf"(Module|Section|End) {NAME}",
    r"(Variable|Variables|Hypothesis) .+",
    r"(Definition|Lemma|Theorem) .+",
    r"Proof|Qed",
    r"Add Ring [a-z_]+ : \(laws R\)",
    r"Ltac algebra := (ring|first \[ring \[half_law\] \| rewrite <- half_law; ring\])",
    rf"Local Notation {NAME} := \(.+\)",
    r"Hint Rewrite [\w' ]+ : [a-z ]+",
)
TACTICS = re.compile(
    r"algebra|apply|assert|autorewrite|bracket_left|bracket_right|cbv|etransitivity|exact|exists|intros?|match|"
    r"nonnegative|open_brackets|pose|reflexivity|repeat|rewrite|ring|same|same_condition|sink_both|sink_left|"
    r"swap|symmetry|transitivity|try|unfold|value"
)
FORBIDDEN = re.compile(
    r"\b(admit|give_up|Admitted|Axioms?|Parameters?|Conjectures?|Abort|Declare|Load|Redirect|Extraction|Unset|"
    r"native_compute|vm_compute)\b"
)


def uncommented(text: str) -> str:
    """The text with every comment as an empty line."""
    return COMMENT.sub("", text)


def sentences(text: str) -> list[str]:
    """The sentences without comments, bullets and braces; a full stop before white space ends one."""
    code = uncommented(text).replace(QUOTED, "")
    found = (re.sub(r"^[-+*{}\s]+", "", s) for s in re.split(r"\.(?=[ \n]|$)", code))
    return [" ".join(s.split()) for s in found if s]


def unexpected(text: str) -> str:
    """What no script of backflip has, or "": a character, a way of writing comments, a sentence."""
    code = uncommented(text).replace(QUOTED, "")
    if odd := ODD.search(code):
        line = code[: odd.start()].count("\n") + 1
        return f"{odd[0]!r} outside of comments, near line {line}"
    for sentence in sentences(text):
        first = re.split(r"\W", sentence, maxsplit=1)[0]
        known = bool(TACTICS.fullmatch(first)) or any(re.fullmatch(command, sentence) for command in COMMANDS)
        if FORBIDDEN.search(sentence) or not known:
            return sentence[:100]
    return ""
