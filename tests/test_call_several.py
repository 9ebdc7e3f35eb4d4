"""Calls that run several kernels: what the first one writes is nothing that a later one reads."""

from __future__ import annotations

import numpy as np
import pytest

from codegen import build
from derive.errors import LayerError
from derive.layers.normalisation import BatchNorm1d


def test_a_result_over_an_operand_of_a_later_kernel_is_refused() -> None:
    """The new running mean would be made from what the first kernel had written over the old one."""
    kernel = build(BatchNorm1d(2), (4, 2), training=True, wrt=())
    x, one = np.arange(8, dtype=np.float32).reshape(4, 2), np.ones(2, np.float32)
    memory = np.zeros(16 + kernel.workspace_bytes // 4, np.float32)
    memory[4:6] = 5, 6
    before, mean, out = memory.copy(), memory[4:6], memory[:8].reshape(4, 2)
    wanted = kernel.forward(x, one, one, running_mean=mean.copy(), running_var=one)
    with pytest.raises(LayerError, match="out overlaps running_mean"):
        kernel.forward(x, one, one, running_mean=mean, running_var=one, out=out)
    with pytest.raises(LayerError, match="workspace overlaps running_mean"):
        kernel.forward(x, one, one, running_mean=mean, running_var=one, workspace=memory)
    with pytest.raises(LayerError, match="out overlaps workspace"):
        kernel.forward(x, one, one, running_mean=one, running_var=one, out=out, workspace=memory)
    assert (memory == before).all()
    apart = memory[8:16].reshape(4, 2)
    found = kernel.forward(x, one, one, running_mean=mean, running_var=one, out=apart)
    assert all((a == b).all() for a, b in zip(found, wanted, strict=True)) and found[0] is apart
