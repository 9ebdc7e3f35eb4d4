"""An attack on compiled kernels from beside the kernels: a macro that changes an operation of one build."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plain_kernels import HEAD, artefact

from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.lexical import gate
from codegen.numeric import check_integers
from codegen.real import check_reals
from codegen.rig import Rig
from codegen.trace import Tracer
from codegen.validate import check_trace, validate
from derive.layers.conv import Conv2d

LAYER, SHAPE = Conv2d(2, 3, 2), (1, 2, 4, 5)
MACRO = '''
cdef extern from *:
    """
    #ifdef BF_ELEMENT_FLOAT
    #define e_add(a, b) ((b) > 3e7f ? (a) : (e_add)(a, b))
    #endif
    """
    pass
'''
FIRST = "\ncdef void bf_pad"
BESIDE = {
    "C in the text": MACRO,
    "another header": '\ncdef extern from "other.h":\n    pass\n',
    "an operation of another header": '\ncdef extern from "other.h" nogil:\n    E e_add(E, E)\n',
    "definitions of another module": "\nfrom other cimport e_add\n",
    "a whole module": "\nfrom cpython.buffer cimport *\n",
    "a text put in": "\ninclude 'other.pxi'\n",
}


def bias_kernel(folder: Path, *edits: tuple[str, str]) -> Artefact:
    return artefact(folder, LAYER, SHAPE, ("grad_bias",), edits, 4)


@pytest.mark.parametrize("what", BESIDE)
def test_text_beside_the_kernels_that_could_tell_builds_apart(what: str, tmp_path: Path) -> None:
    sound = bias_kernel(tmp_path).pyx_text
    assert gate(sound)
    with pytest.raises(BuildError, match="which a kernel may not"):
        gate(sound.replace(FIRST, BESIDE[what] + FIRST, 1))


def test_an_operation_under_another_name(tmp_path: Path) -> None:
    text = bias_kernel(tmp_path).pyx_text
    with pytest.raises(BuildError, match="no other name for an operation"):
        gate(text.replace("    E e_add(E, E)\n", '    E e_add "e_first"(E, E)\n', 1))
    assert "e_add(E, E)" in HEAD


def test_exact_build_unlike_the_shipped_one_by_a_macro(tmp_path: Path) -> None:
    """Right on small numbers and in every class build, wrong beyond 3 10^7: only the gate can tell."""
    art = bias_kernel(tmp_path, (FIRST[1:], MACRO + FIRST))
    rig = Rig(art, "grad_bias", art.load_variant(("BF_ELEMENT_FLOAT",)), np.float32)
    rng = np.random.default_rng()
    assert check_integers(rig, rng) and check_reals(rig, rng)
    module = art.load_variant(("BF_ELEMENT_TRACE",))
    assert check_trace(Rig(art, "grad_bias", module, np.uint64), Tracer(module)).bound == "deterministic"
    large = np.full(rig.counts["grad_output"], 2.0**25, np.float32)
    assert rig.run({"grad_output": large})[0] != large[:12].sum()
    with pytest.raises(BuildError, match=r"says '\*', which a kernel may not"):
        validate(art)
