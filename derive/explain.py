"""Owns what each label means, in words: what was compared, what it stands on, what it does not say."""

from __future__ import annotations

import difflib
import textwrap

from derive.errors import LayerError

LABELS = {
    "ALL SIZES (certificate)": """
        Holds for every batch, channel, window, stride, padding and image size (whatever sizes the layer has)
        that meets the printed hypotheses, for every value of the constants that stand in a table, and on the
        printed domain. Functions enter by their derivatives alone (derive/functions.py). Both sides were
        rewritten to one form by rules; a short checker without a solver replayed each step and verified the
        stored certificate of each side condition. Stands on derive/check.py, certify.py, index.py, expr.py,
        claim.py, equality.py, steps.py and functions.py, and on the printed definition being the layer you
        mean. Says nothing of rounding. `backflip prove LAYER --certificate FILE` writes what was checked,
        `backflip check FILE` replays it with derive/checker.py, one file that stands alone.""",
    "ALL SIZES (Rocq)": """
        The same theorems as a script for the proof assistant Rocq, formerly Coq (`backflip prove LAYER
        --all-sizes --export rocq -o FILE.v`, `backflip check FILE.v`): one lemma for each step, over finite
        sums in any commutative ring, derivatives as the eps part over dual numbers. Its kernel accepted each
        of them, coqchk found no axiom, and the statements are those that backflip writes for the layer. This
        takes backflip's rules, checkers, SymPy and the search for certificates out of what has to be
        believed. What stays: the printed definition being the layer you mean, the table of derivatives, the
        printers, Rocq. A script that is rejected is not proved, which does not say that it is false.""",
    "THIS SIZE, n identities, exhaustive": """
        At this input shape all n entries of the forward form and of every gradient were compared as integer
        polynomials in the operands' entries, both sides of the printed equations unrolled completely: nothing
        sampled, nothing factorised. SymPy's own diff of the expanded loss (whole for small layers; a random
        sample with corners, edges and interior for large ones; nothing where one entry is a sum over more
        than 20,000 index values, and the report then says so) and, for convolutions, the zero-insert, pad,
        flip, correlate program agree, unless the report says that they were not asked. Of a graph it says
        that at every entry SymPy's diff of the whole composed loss equals the printed pass, as rational
        functions in the entries and in one unknown for each function of an argument. Of a function of yours
        it says that every entry it returned on symbols is the right polynomial. Says nothing of other sizes
        or of rounding.""",
    "THIS SIZE, exhaustive modulo factorisation": """
        At this input shape both sides of the printed equations, unrolled completely, were split into blocks
        of indices that no condition, no entry and no read couples (batch, channels, filters, each spatial
        axis); it is checked that none is shared. In each block every index value was enumerated and how often
        it leads to each coordinate counted. Two products of such counts are equal exactly when their
        primitive vectors are equal block by block and their numbers have equal products; this lemma, proved
        in derive/exhaust_factorised.py, stands between the counts and the n entries, which were not unrolled
        one by one. Where a claim does not fall into such blocks the proof is refused with the reason.""",
    "CHECKED, miss probability <= 2^-k": """
        Both sides were evaluated by exact arithmetic and agreed; a difference would have shown except with
        the stated probability. Layers that apply functions, and graphs: at random numbers modulo 2^61 - 1,
        where every function but the inverse is an unknown random one; what agrees there agrees as formulas in
        these functions and their derivatives. A function of yours: on random whole numbers (multiples of the
        denominators of the layer's constants), if each entry is a polynomial of degree at most 2 in the
        operands. Not a proof.""",
    "DERIVATIVE (differential field)": """
        The printed formula of f' is the derivative of the printed formula of f, on every piece of the line:
        both were written as rational functions of x, the parameters and one indeterminate for each
        exponential, logarithm, error function, tanh, root or power, whose derivatives are the textbook's; the
        derivative was taken by the chain rule and compared by cross-multiplying. Exact, nothing simplified,
        nothing sampled. At the points between two pieces f' is PyTorch's choice. Stands on
        derive/functions_field.py and on the formulas being the functions meant. Says nothing of rounding.""",
    "TESTED": """
        Results agreed on the stated inputs within the stated bound. Nothing is said of other inputs. Not a
        proof.""",
    "NOT CHECKED": """
        A user's function returned numbers that differ from the right ones by no more than rounding would
        explain, so that exact agreement could neither be shown nor refuted. Exit code 3.""",
    "REFUTED": """
        A difference was found. The report names the first entry, in row-major order, at which the two sides
        differ, with both values. Exit code 1.""",
}


def explain(label: str) -> str:
    """The words for a label as it is printed ("THIS SIZE, 57 identities, exhaustive"), or all that begin so.

    Raises LayerError where no label is meant.
    """
    wanted = _plain(label)
    matching = [
        name for name in LABELS if wanted and (wanted == _plain(name) or _plain(name).startswith(wanted))
    ]
    if not matching:
        near = difflib.get_close_matches(wanted, [_plain(n) for n in LABELS], n=1)
        raise LayerError(
            "unknown label",
            where="explain",
            expected=" | ".join(LABELS),
            got=label,
            mend=f"did you mean {next(n for n in LABELS if _plain(n) == near[0])!r}?" if near else "",
        )
    return "\n\n".join(f"{name}\n\n{_filled(LABELS[name])}" for name in matching)


def _filled(text: str) -> str:
    return textwrap.fill(textwrap.dedent(text).strip(), 100)


def _plain(label: str) -> str:
    """Lower case; numbers of identities and powers read as n and k."""
    words = label.lower().replace("^-", "^- ").split()
    return " ".join(
        "n" if word.replace(",", "").isdigit() and i + 1 < len(words) and words[i + 1].startswith("identit")
        else "k" if word.isdigit() else word
        for i, word in enumerate(words)
    )  # fmt: skip
