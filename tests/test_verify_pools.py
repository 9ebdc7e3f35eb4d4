"""Other people's max pooling: known bugs are refuted, shrunk and named; ties, NaN and places told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_verify_museum import named

from derive.spelling import parse_layer
from derive.verification import verify

Function = Callable[..., Any]
Array = Any


def zeros_like(x: Array) -> Array:
    return np.zeros(x.shape)


def pool_backward(bug: str) -> Function:
    """A max pool's gradient, window by window."""

    def max_pool_backward(dout: Array, x: Array, kernel_size: int, stride: int, padding: int) -> Array:
        k, p = kernel_size, padding
        s = {"kernel": k, "one": 1}.get(bug, stride)
        border = ((0, 0), (0, 0), (p, p), (p, p))
        padded = np.pad(x, border, constant_values=0.0 if bug == "zeros" else -np.inf)
        found = zeros_like(padded)
        for i, j in np.ndindex(dout.shape[2:]):
            part = np.s_[:, :, i * s : i * s + k, j * s : j * s + k]
            window, sent = padded[part], dout[:, :, i, j, None, None]
            if window.size == 0:
                continue
            best = window == window.max((2, 3), keepdims=True)
            if bug == "last":
                flat = best.reshape(*best.shape[:2], -1)[..., ::-1]
                last = (np.cumsum(flat, -1) == 1) & flat
                best = last[..., ::-1].reshape(best.shape)
            elif bug not in ("every", "shared"):
                flat = best.reshape(*best.shape[:2], -1)
                best = ((np.cumsum(flat, -1) == 1) & flat).reshape(best.shape)
            if bug == "shared":
                best = best / best.sum((2, 3), keepdims=True)
            if bug == "overwritten":
                found[part] = np.where(best, sent, found[part])
            else:
                found[part] += np.where(bug == "window", 1, best) * (1 if bug == "marked" else sent)
        h, w = x.shape[2:]
        return found[:, :, p : p + h, p : p + w]

    return max_pool_backward


POOL = parse_layer("MaxPool2d(3, stride=2, padding=1)")
POOL_BUGS = {
    "overwritten": "overlapping windows overwritten instead of summed",
    "zeros": "zeros of the padding compared with the entries",
    "window": "the gradient to every entry of the window",
    "marked": "1 in place of grad_output at the selected entries",
    "kernel": "stride taken as kernel_size",
    "one": "stride taken as 1",
}


@pytest.mark.parametrize("bug", POOL_BUGS)
def test_bugs_of_max_pooling(bug: str) -> None:
    """Stride bugs show as the gradient of another layer's windows, so that the shapes must agree."""
    if bug in ("kernel", "one"):
        layer, shape = parse_layer("MaxPool2d(2, stride=3)"), (1, 2, 5, 5)
        if bug == "kernel":
            layer, shape = parse_layer("MaxPool2d(3, stride=2)"), (1, 2, 5, 5)
        assert not verify(pool_backward(bug), layer, shape).ok
        return
    named(verify(pool_backward(bug), POOL, (2, 2, 7, 6)), POOL_BUGS[bug])


def test_the_overlapping_bug_is_shrunk_to_two_windows() -> None:
    """The museum's bug at the smallest shape: two windows that share their largest entry."""
    report = verify(pool_backward("overwritten"), POOL, (2, 2, 7, 6)).report
    assert "smallest failing shape found" in report
    assert "at grad_output = " in report and "at input = " in report
    assert "at (1, 1, " in report.partition("smallest failing shape")[2]


def test_ties_are_told_apart() -> None:
    """Outside the domain another choice is no mistake, but it is said."""
    for bug, name in (("last", "the last of equal entries"), ("shared", "")):
        found = verify(pool_backward(bug), POOL, (2, 2, 9, 9))
        assert found.ok and "with ties or zeros, outside the domain" in found.report and name in found.report
    first = verify(pool_backward(""), POOL, (2, 2, 9, 9))
    assert first.ok and "with ties and zeros it agrees too" in first.report


def test_no_choice_hands_a_gradient_to_every_tie() -> None:
    """Whichever entry is taken, a window hands back its gradient once: more than that is refuted."""
    found = verify(pool_backward("every"), POOL, (2, 2, 9, 9))
    named(found, "the gradient to every entry equal to the selected one")
    assert "no choice among equal entries" in found.report and "a plane's entries add up to" in found.report
    assert "at (1, 1, " in found.report.partition("smallest failing shape")[2]


def astray(dout: Array, x: Array) -> Array:
    """MaxPool2d(2)'s gradient; where several entries are largest, to the smallest, if there is one."""
    found = np.zeros(x.shape)
    for i, j in np.ndindex(dout.shape[2:]):
        part = np.s_[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        flat = x[part].reshape(*x.shape[:2], 4)
        ties = (flat == flat.max(-1, keepdims=True)).sum(-1) > 1
        place = np.where(ties, flat.argmin(-1), flat.argmax(-1))
        found[part] = ((place[..., None] == np.arange(4)) * dout[:, :, i, j, None]).reshape(found[part].shape)
    return found


def test_no_choice_is_an_entry_that_is_largest_nowhere() -> None:
    """What is handed back adds up, and goes to an entry that no window may take: refuted, and made small."""
    found = verify(astray, parse_layer("MaxPool2d(2)"), (2, 2, 6, 4))
    assert (
        found.label == "REFUTED"
        and "expected 0 with ties; it is the largest entry of no window" in found.report
    )
    assert "at (1, 1, 2, 2)" in found.report.partition("smallest failing shape")[2]


@pytest.mark.parametrize("bug", ["last", "shared"])
@pytest.mark.parametrize(
    "text", ["MaxPool2d(2, stride=1)", "MaxPool2d(2)", "MaxPool2d(3, stride=2, padding=1)"]
)
def test_choices_among_ties_are_never_refuted(text: str, bug: str) -> None:
    for _ in range(5):
        assert verify(pool_backward(bug), parse_layer(text), (1, 2, 5, 6)).ok


def max_pool_forward(which: str) -> Function:
    """One axis, windows of 2: the largest entry of each and its place; `which` entry at ties."""

    def forward(x: Array) -> Any:
        pairs = x.reshape(*x.shape[:2], -1, 2)
        right = pairs[..., 1] >= pairs[..., 0] if which == "last" else pairs[..., 1] > pairs[..., 0]
        if which != "numbers":
            right |= np.isnan(pairs[..., 1])
        places = 2 * np.arange(pairs.shape[2]) + right
        return np.where(right, pairs[..., 1], pairs[..., 0]), places + (which == "shifted")

    return forward


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("first", ("with ties and zeros it agrees too", "with NaN it agrees too")),
        ("last", ("with ties or zeros, outside the domain, it does not do as PyTorch: indices[",)),
        ("numbers", ("with ties and zeros it agrees too", "with NaN it does not do as PyTorch")),
    ],
)
def test_places_ties_and_nan(which: str, said: tuple[str, ...]) -> None:
    """A forward pass that returns places too: they are compared as well."""
    layer = parse_layer("MaxPool1d(2, return_indices=True)")
    found = verify(max_pool_forward(which), layer, (2, 3, 40))
    assert found.ok and "covered: output, indices\n" in found.report
    assert all(line in found.report for line in said), found.report


def test_wrong_places_are_refuted() -> None:
    found = verify(max_pool_forward("shifted"), parse_layer("MaxPool1d(2, return_indices=True)"), (1, 2, 6))
    assert found.label == "REFUTED" and "REFUTED as forward pass" in found.report
    assert "indices[0, 0, 0]: got " in found.report
