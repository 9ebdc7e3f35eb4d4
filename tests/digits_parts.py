"""Owns how tests reach the example `examples/digits`, which is no installed package."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from command import ROOT


def parts() -> Iterator[SimpleNamespace]:
    """The example's modules by name, imported from the tree's root; made a fixture by who needs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        from examples.digits import data, network, peer, plot, report, train

        yield SimpleNamespace(data=data, network=network, peer=peer, plot=plot, report=report, train=train)
