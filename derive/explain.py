"""Owns what each label means, in words: what was compared, what it stands on, what it does not say.

LABELS are the labels of proofs and verdicts; CHECKS are the checks of a compiled kernel, by the names under
which a validation record lists them. TRUST.md names both and says of neither what is said here.
"""

from __future__ import annotations

import difflib
import re
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
        it says that every entry it returned on symbols is the right polynomial; of a line of a fast form,
        that all n coefficients of the two printed sums of products are the same rational numbers. Says
        nothing of other sizes or of rounding.""",
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
        these functions and their derivatives. A function of yours: on random whole numbers, or such numbers
        over a power of two (times the denominators of the layer's constants), if each entry is a polynomial
        of degree at most 2 in the operands. Not a proof.""",
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
        differ, with both values; of a function of yours that raises or returns another shape it says that.
        Exit code 1.""",
}

CHECKS = {
    "lexical": """
        Of the text: kernels consist of whole numbers, loops and branches on whole numbers, and the element
        operations of backflip_ops.h; no cast, no sizeof, no literal with a point, no preprocessor word, no
        comparison of elements or addresses, no variable read before it has a value, and no function, gate or
        choice that the equation has no use for. So a kernel's text can neither tell one element type from
        another nor branch on data. Around the kernels stand the declarations and entries of the template,
        word for word. Deterministic. It does not say that any value is right.""",
    "integers": """
        Of the shipped binary itself, bit for bit: its results on random whole numbers are the definition's.
        They are so small that every sum of magnitudes is a number the type holds exactly, so that nothing
        can be rounded in any order of summation. Draws alternate between poisoned and left-over workspace.
        If the binary computes one polynomial in the operands without rounding, a wrong one passes with the
        stated probability. It does not say what happens at other magnitudes, at NaN or at infinities.""",
    "trace": """
        Of the C file that ships, compiled with an element that carries which terms of the definition a value
        is the sum of: at this shape, from poisoned memory, what reaches each entry of the result is the sum
        of exactly the definition's terms, each once, none missing, none that belongs elsewhere.
        Deterministic: no data, no sampling; any order of summation. Products with zeros of the padding are
        left aside. It does not say that the shipped binary does the same, which rests on its being the same
        C file (lexical, integers, marks, rebuild); nothing of rounding, of other shapes, of reads out of
        bounds (asan), or of work done in vain. Kernels with functions, tables or terms that stand in several
        entries are not traced; uint64, field and rational stand in.""",
    "uint64": """
        Of the same C file compiled with whole numbers modulo 2^64, where nothing is ever rounded: on random
        operands every entry is the definition's. A draw misses a difference that has an odd coefficient and
        is linear in each operand with at most the stated probability; one whose coefficients are all even is
        not covered by it. A text with rational constants is run with their numerators where all its paths
        have one product of denominators, and has to give that multiple of the result. Says nothing of the
        shipped binary's own code.""",
    "field": """
        Of the same C file compiled with numbers modulo the prime 2^61 - 1, where a constant n/d is n times
        the inverse of d and every function but the inverse is an unknown one: every entry is the sum of the
        definition's terms, or what reverse differentiation of the definition gives. If the mixing of bits
        that stands for the functions is as good as random functions, a formula that differs passes a run
        with at most the stated probability; coefficients are compared modulo the prime. Says nothing of what
        the functions are (functions), of rounding (bounded), or of the shipped binary's own code.""",
    "rational": """
        Of the shipped binary where its text multiplies by rational constants of its own, as fast convolution
        does: on random whole numbers every result rounds to the exact one, and is as near to it as the
        text's own roundings can bring it, which the same text computed on magnitudes says; on normal random
        operands it is as near as is stated, so that a text cannot lose what it likes. A constant wrong by so
        little that no result of these draws moves beyond that passes here; whether the formula with its
        exact constants is the definition's is decided by field. Of a binary that is given tables of its
        layer (interpolation, shares of windows): every constant is the nearest number of the dtype, and with
        these arrays every result is within what rounding the constants and the sums allows of the value with
        exact rationals.""",
    "selection": """
        Of the shipped binary of a kernel that compares and copies: it takes the entry that the definition
        takes, bit for bit, on the weak orders of a window's entries that the record lists, with ties, both
        zeros, infinities and NaN. Where these are all weak orders and the kernel does nothing else, at each
        window in the same way, this is complete; else it is a sample, and the record says which.""",
    "functions": """
        The error of each function (exp, log, erf, ...) that the bound of real operands supposes, in units in
        the last place. Measured against mpmath at many points over the whole range; not proved.""",
    "bounded": """
        Of the shipped binary of a kernel with functions: on random real operands every entry is within a
        running error bound of the definition's value, which was computed in long double. Deterministic for
        these operands; says nothing of others. An entry whose value or bound is not finite is left out, and
        the record counts the others.""",
    "real": """
        Of the shipped binary of a sum of products: on random real operands every entry is within gamma_q *
        sum |terms| of the exact value, q its number of terms, and one more for each factor of a term beyond
        two. Deterministic for these operands; says nothing of others. Any order of summation stays within
        that bound, so that a wrong term of small effect can too: trace and integers are what finds it.""",
    "packed": """
        Of the shipped binary of a kernel that lays its weight out anew: packing called by itself, then the
        rest on the packed weight, gives the bits of the plain call on the random operands that were run.
        Both are the plain call's own functions, so that the other checks speak of them too.""",
    "threads": """
        Of the shipped binary of a kernel whose parts are shared among threads: on random operands, run
        several times from poison, it gives the bits that it gives on one thread. What threads do to each
        other at another time is not decided by that.""",
    "marks": """
        Of the same C file compiled for the shipped element once more, with marks on: the branches that it
        takes are those that the class builds took, in the same order. The binary that ships carries no
        marks; it is that file without them.""",
    "asan": """
        Of the same C file compiled once more for the shipped element, at -O1 under AddressSanitizer and
        UndefinedBehaviorSanitizer, on buffers of exactly their size, as allocated and moved by one element:
        no access outside a buffer, none at a lower alignment than its type's, nothing else that C leaves
        undefined was reported. Addresses depend on sizes alone (lexical), so that other data would go the
        same way. Parts of vectors are copied there instead of masked. Says nothing of values.""",
    "rebuild": """
        The text was written again from the theorem, made into C and compiled again: text, C file and binary
        are the stored ones, byte for byte. So the binary is of that text, whatever digest it says of itself.
        Of this compiler, Cython and Python; does not say that they are right.""",
}


def explain(label: str) -> str:
    """The words for a label or a check as it is printed, or for all that begin so.

    A printed label may have numbers ("THIS SIZE, 57 identities, exhaustive", "TESTED, 12 entries").
    Raises LayerError where none is meant.
    """
    known, wanted = LABELS | CHECKS, _plain(label)
    matching = [name for name in known if wanted and _plain(name).startswith(wanted)]
    if not matching:
        near = difflib.get_close_matches(wanted, [_plain(n) for n in known], n=1)
        raise LayerError(
            "unknown label",
            where="explain",
            expected=" | ".join(known),
            got=label,
            mend=f"did you mean {next(n for n in known if _plain(n) == near[0])!r}?" if near else "",
        )
    exact = [name for name in matching if _plain(name) == wanted]
    return "\n\n".join(f"{name}\n\n{_filled(known[name])}" for name in exact or matching)


def _filled(text: str) -> str:
    return textwrap.fill(textwrap.dedent(text).strip(), 100)


def _plain(label: str) -> str:
    """Lower case; numbers of identities and powers read as n and k; the entries of TESTED left out."""
    words = re.sub(r"(?<=tested), [\d,]+ entries$", "", label.lower()).replace("^-", "^- ").split()
    return " ".join(
        "n" if word.replace(",", "").isdigit() and i + 1 < len(words) and words[i + 1].startswith("identit")
        else "k" if word.isdigit() else word
        for i, word in enumerate(words)
    )  # fmt: skip
