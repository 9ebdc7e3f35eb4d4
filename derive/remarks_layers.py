"""Owns the first-page answers of the layers without a sliding learned kernel, and of the transposed one.

Every number in them is counted at the sizes; an answer that would not be true at the sizes is not given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import prod

from derive.expr import Definition, Read
from derive.index import name
from derive.notation.build import Builder, rational
from derive.notation.tree import Array, Inline, Name, Sign, Strong
from derive.numbered import Numbered, counted, listed

Answer = Callable[[Numbered], Inline]
"""An answer for the gradient shown first; () where there is nothing to say at its sizes."""


def shares(here: Numbered) -> Inline:
    """Where the fraction of a mean comes from."""
    layer, shape = here.derivation.layer, here.derivation.input_shape
    tables = {n: values for n, values in layer.tables(shape).items() if n.startswith("share")}
    if not tables:
        return ()
    step = here.local()
    if "share" in tables:
        value, window = tables["share"][0], prod(here.size("k", t) for t in here.tags)
        why = f"one over the {counted(window, 'place')} of a window"
        why = why if value == Fraction(1, window) else "one over divisor_override"
        asked = Strong(f"Where does the factor {value} come from?")
        head: Inline = (asked, " Each window's sum is multiplied by ", Array("share"), " ", Sign(":="), " ")
        head = (*head, rational(value), f", {why}.")
    else:
        asked = Strong("Where do the fractions come from?")
        names = [f"share_{t}" for t in here.tags]
        factors = [s for n in names for s in (Array(n), ", ")][:-1]
        none = " (0 where it counts none)" if any(0 in values for values in tables.values()) else ""
        head = (asked, " Each window's sum is multiplied by one over the number of entries that it counts")
        head = (*head, f"{none}, a factor for each axis: ", *factors, ".")
    said = f" Equation ({step}) differentiates it: each input entry of a window changes the output by that "
    return (*head, said, "constant, and so receives that share of the window's entry of ", *_given("."))


def overlaps(here: Numbered) -> Inline:
    """What happens to an input entry that lies in several windows, or in none."""
    counts = {t: windows(here, t) for t in here.tags}
    asked = Strong("What if windows overlap?")
    several = [t for t in here.tags if max(counts[t]) > 1]
    most = prod(max(c) for c in counts.values())
    if several:
        where = listed([f"axis {t}" for t in several])
        said = f" Here they do, on {where}: an input entry lies in up to {most} windows, and equation "
        said += f"({here.closed()}) adds what it receives from each."
    else:
        said = " Here they do not: no input entry lies in more than one window."
    missed = {t: c.count(0) for t, c in counts.items() if 0 in c}
    if missed:
        where = listed([f"{counted(n, 'place')} on axis {t}" for t, n in missed.items()])
        said += f" Entries that lie in no window ({where}) are not dropped: their gradient is 0."
    return (asked, said)


def windows(here: Numbered, tag: str) -> list[int]:
    """For each place of an input axis, how many output places of that axis read it."""
    if f"k_{tag}" not in here.sizes:
        return [sum(_in_band(here, tag, o, i) for o in _outs(here, tag)) for i in _ins(here, tag)]
    k, s, p = (here.size(letter, tag) for letter in "ksp")
    d = here.size("d", tag) or 1
    return [sum(_tap(i + p - s * o, d, k) for o in _outs(here, tag)) for i in _ins(here, tag)]


def _tap(offset: int, dilation: int, kernel: int) -> bool:
    return offset % dilation == 0 and 0 <= offset // dilation < kernel


def _ins(here: Numbered, tag: str) -> range:
    return range(here.length(tag))


def _outs(here: Numbered, tag: str) -> range:
    return range(here.length(tag, "_out"))


def _in_band(here: Numbered, tag: str, out: int, entry: int) -> bool:
    """Whether the definition's bracket of the axis is open."""
    definition = _definition(here, "output")
    values = {**here.sizes, f"o_{tag}": out, f"i_{tag}": entry}
    own = [c for c in definition.body.terms[0].conditions if f"o_{tag}" in c.names]
    return all(c.holds(values) for c in own)


def _definition(here: Numbered, title: str) -> Definition:
    found = here.derivation.general.setting.definition(title)
    assert found is not None
    return found


def _given(end: str) -> Inline:
    return (Array("grad_output"), end)


def adjoint(here: Numbered) -> Inline:
    """Resampling by copying or by interpolation: the same band and weights, summed over the other index."""
    names = {t.name for t in here.derivation.general.setting.inputs}
    if any(n.startswith("share") for n in names):
        return ()
    step = here.closed()
    if any(n.startswith("table") for n in names):
        tables = [s for t in here.tags for s in (Array(f"table_{t}"), ", ")][:-1]
        return (
            Strong("Which weights does the gradient have?"),
            *(
                f" The same ones, transposed. The layer sums a row of the table{'s' * (len(tables) > 1)} ",
                *tables,
                " over the input; ",
            ),
            f"equation ({step}) holds the input entry fixed and sums a column over the output: an entry "
            "receives from each output place the weight with which it went in.",
        )
    counts = {t: windows(here, t) for t in here.tags}
    most = prod(max(c) for c in counts.values())
    copies = f"up to {most} times" if most > 1 else "at most once"
    said = f" Each input entry is copied {copies}; equation ({step}) reads the same bracket with the input "
    said += "entry fixed and adds the gradients of all its copies."
    if missed := {t: c.count(0) for t, c in counts.items() if 0 in c}:
        where = listed([f"{counted(n, 'place')} on axis {t}" for t, n in missed.items()])
        said += f" Entries that are copied nowhere ({where}) have gradient 0."
    return (Strong("What is the gradient of a copied entry?"), said)


def adaptive(here: Numbered) -> Inline:
    """The overlap of adaptive windows."""
    names = {t.name for t in here.derivation.general.setting.inputs}
    return overlaps(here) if any(n.startswith("share") for n in names) else ()


def skipped(here: Numbered) -> Inline:
    """The zeros in the gradient of a downsampling, leftover ones included."""
    wide = [t for t in here.tags if here.size("s", t) > 1]
    left = {t: here.size("r", t) for t in here.tags if here.size("r", t)}
    if not wide:
        return ()
    taken = listed([f"one of {here.size('s', t)} on axis {t}" for t in wide])
    said = f" Entries are taken {taken}; the others reach no output. Equation ({here.at('spread')}) writes "
    rest = " with zeros in their places."
    if left:
        where = listed([f"{counted(n, 'place')} on axis {t}" for t, n in left.items()])
        rest += f" The places after the last entry taken, {where}, are not dropped: the bracket of equation "
        rest += f"({here.at('spread')}) makes their gradient 0."
    return (Strong("Why are there zeros in the gradient?"), said, *_given(rest))


def inserted(here: Numbered) -> Inline:
    """What becomes of the gradient at inserted zeros."""
    wide = [t for t in here.tags if here.size("s", t) > 1]
    more = {t: here.size("r", t) for t in here.tags if here.size("r", t)}
    if not (wide or more):
        return ()
    said = " It is not used: a zero is a constant and depends on no input entry. Equation "
    said += f"({here.closed()}) reads "
    kept = listed([f"one place of {here.size('s', t)} on axis {t}" for t in wide]) if wide else "every place"
    rest = f" at {kept}, where an input entry stands."
    if more:
        where = listed([f"{counted(n, 'zero')} on axis {t}" for t, n in more.items()])
        rest += f" output_padding puts {where} at the end; no entry is read there."
    return (Strong("What becomes of the gradient at the inserted zeros?"), said, *_given(rest))


def padded(here: Numbered) -> Inline:
    """What becomes of the gradient of the padding: dropped where it is zeros, else added to its entries."""
    sides = {t: (here.size("p", t), here.size("q", t)) for t in here.tags}
    if not any(any(pair) for pair in sides.values()):
        return ()
    if len(here.derivation.general.right.body.terms) > 1:
        return repeated(here)
    said, rest = "", ""
    if any(n > 0 for pair in sides.values() for n in pair):
        said = " Its zeros are constants and depend on no input entry."
    if any(n < 0 for pair in sides.values() for n in pair):
        rest = (
            " Entries that a negative padding crops reach no output: their bracket is 0, their gradient too."
        )
    said += f" Equation ({here.closed()}) reads only the places where an input entry stands."
    return (Strong("What becomes of the gradient of the padding?"), said + rest)


def repeated(here: Numbered) -> Inline:
    """Entries that stand in the padding too, and how often at most."""
    most = {t: max(_held(here, t)) for t in here.tags}
    wide = [t for t in here.tags if most[t] > 1]
    if not wide:
        return ()
    said = " The padding repeats input entries: padding included, one entry stands in up to "
    said += f"{prod(most.values())} places. The loss depends on it through those that a window reaches, and "
    said += f"equation ({here.closed()}) adds what comes back from them."
    if len(wide) > 1:
        where = listed([f"{most[t]} times on axis {t}" for t in wide])
        said += (
            f" The axes are folded one after another, up to {where}: for an entry near a corner the counts "
        )
        said += "multiply."
    return (Strong("Why do several places count for one entry?"), said)


def _held(here: Numbered, tag: str) -> list[int]:
    """For each place of an input axis, how many padded places hold it, read off the padding's definition."""
    counts = [0] * here.length(tag)
    whole = f"e_{tag}"
    for definition in here.derivation.general.setting.definitions:
        own = [t for t in definition.body.terms if any(whole in c.names for c in t.conditions)]
        names = [i.name for i in definition.indices]
        if definition.tensor.name not in ("output", "padded_input", f"padded_{tag}") or not own:
            continue
        if whole not in names:
            continue
        at = names.index(whole)
        for e in range(int(definition.indices[at].extent.evaluate(here.sizes))):
            values = {**here.sizes, whole: e}
            for term in own:
                read = term.factors[0]
                if isinstance(read, Read) and all(c.holds(values) for c in term.conditions):
                    counts[int(read.index[at].evaluate(values))] += 1
        return counts
    return counts


def forward_flip(here: Numbered) -> Inline:
    """Why a transposed convolution's kernel is flipped in its forward form and not in its gradient."""
    tag = next((t for t in here.tags if here.size("k", t) > 1), "")
    asked = Strong("Why is the kernel flipped?")
    if not tag:
        return (asked, " A kernel with a single tap is the same backwards.")
    place, tap = f"i_{tag}", f"a_{tag}"
    builder = Builder(here.sizes)
    sent = builder.form(name(f"s_{tag}") * name(place) + name(f"d_{tag}") * name(tap) - name(f"p_{tag}"))
    said = (
        "read from one output place, a later tap comes from an earlier input entry. Written as an ordinary "
    )
    said += "correlation over the zero-inserted input, the layer therefore has the kernel backwards. "
    return (
        asked,
        *(" Input entry ", Name(place), " sends tap ", Name(tap), " to output place ", sent),
        " (the bracket in the definition below); ",
        said,
        _gradient_reads(here),
    )


def _gradient_reads(here: Numbered) -> str:
    """What the derived gradient does about it."""
    said = {
        "input": f"The gradient by the input turns this round: in equation ({here.closed()}) it is a plain "
        "correlation with the kernel as it is.",
        "weight": f"In the gradient by the kernel the tap is held fixed from ({here.local()}) on: no flip.",
    }
    return said.get(here.derivation.wrt, f"Equation ({here.local()}) no longer contains the kernel.")


def strides(here: Numbered) -> Inline:
    """What stride and output_padding do in a transposed convolution."""
    wide = [t for t in here.tags if here.size("s", t) > 1]
    said = " The stride is 1: neighbouring input entries are sent to neighbouring places."
    if wide:
        zeros = listed([f"{counted(here.size('s', t) - 1, 'zero')} on axis {t}" for t in wide])
        said = f" Neighbouring input entries are sent {_apart(here, wide)}, as if {zeros} stood between them"
        said += "; in the gradient by the input only the windows move by the stride."
    more = {t: here.size("r", t) for t in here.tags if here.size("r", t)}
    if not more:
        return (Strong("What do stride and output_padding do?"), said, " output_padding is 0.")
    where = listed([f"{counted(n, 'place')} later on axis {t}" for t, n in more.items()])
    said += f" output_padding lets the output end {where}."
    bare = {t: n - here.size("q", t) for t, n in more.items() if n > here.size("q", t)}
    if bare:
        where = listed([f"{counted(n, 'place')} on axis {t}" for t, n in bare.items()])
        held = "the bias alone" if "bias" in _operands(here) else "0"
        said += f" The last of them, {where}, are reached by no input entry and hold {held}."
    return (Strong("What do stride and output_padding do?"), said)


def _apart(here: Numbered, tags: list[str]) -> str:
    return listed([f"{here.size('s', t)} places apart on axis {t}" for t in tags])


def _operands(here: Numbered) -> set[str]:
    return {t.name for t in here.derivation.general.setting.inputs}


def transpose(here: Numbered) -> Inline:
    """Where the transpose of a fully connected layer is."""
    told = {
        "input": "holds the input feature fixed and sums over the output features, down a column: a product "
        "with the matrix itself.",
        "weight": "holds the entry of the matrix fixed: nothing but the leading axes is left to sum over.",
        "bias": "no longer contains the matrix.",
    }
    said = " The layer sums along a row of the weights, a product with the transposed matrix. Equation "
    return (Strong("Which side is transposed?"), said + f"({here.closed()}) {told[here.derivation.wrt]}")


ANSWERS: Mapping[str, tuple[Answer, ...]] = {
    "transposed": (forward_flip, strides),
    "pooling": (shares, overlaps),
    "resampling": (adjoint, shares, adaptive),
    "downsampling": (skipped,),
    "insertion": (inserted,),
    "padding": (padded,),
    "product": (transpose,),
}
"""Which questions each family of layers answers; nothing is asked of layers that move or add entries."""
