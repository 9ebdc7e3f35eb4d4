"""Kernels that pack their weight: the entries, the check that they agree, and what Python holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packing_kernel import BATCH, INS, OUTS, artefact, called, kernel
from packing_kernel import HELD as AT

from codegen.artefact import Artefact
from codegen.call import Kernel
from codegen.errors import BuildError
from codegen.lexical import gate
from codegen.numeric import check_integers
from codegen.packed import check_packed
from codegen.packing import ALIGNMENT, Packed, aligned
from codegen.rig import Rig
from codegen.run import run
from codegen.validate import validate
from derive.errors import LayerError

Array = np.ndarray[Any, Any]
HELD = "cdef const E* held = packed + 0"


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return artefact(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def sound(art: Artefact) -> Kernel:
    return called(art)


@pytest.fixture
def given() -> tuple[Array, Array]:
    rng = np.random.default_rng(3)
    x, w = rng.integers(-9, 9, (BATCH, INS)), rng.integers(-9, 9, (OUTS, INS))
    return x.astype(np.float32), w.astype(np.float32)


def test_the_loops_are_what_they_should_be(given: tuple[Array, Array]) -> None:
    x, w = (a.astype(int) for a in given)
    found = run(kernel(), {"input": x, "weight": w}, 4)
    assert (found == (x @ w.T).ravel()).all()


def test_a_packing_kernel_is_validated(art: Artefact) -> None:
    checks = validate(art).of("packed")
    assert [(c.kernel, c.facts["elements"]) for c in checks] == [("output", OUTS * INS)]


WRONG = {
    "reads where the plain call puts it": ((HELD, f"cdef const E* held = workspace + {AT}"),),
    "packs into the workspace": (
        ("cdef E* held = packed + 0", f"cdef E* held = workspace + {AT}"),
        (HELD, f"cdef const E* held = workspace + {AT}"),
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_entries_that_do_not_agree(what: str, tmp_path: Path) -> None:
    """The plain call is right, so that no other check has anything to say."""
    art, rng = artefact(tmp_path, WRONG[what]), np.random.default_rng(0)
    rig = Rig(art, "output", art.load_variant(("BF_ELEMENT_FLOAT",)), np.float32)
    assert gate(art.pyx_text) and check_integers(rig, rng)
    with pytest.raises(BuildError, match="with the weight packed beforehand"):
        check_packed(art, rig, rng)


def test_a_kernel_that_spoils_what_is_packed(art: Artefact) -> None:
    """It would have to be declared as no entry may be."""
    text = art.pyx_text.replace("const E* packed, E* workspace", "E* packed, E* workspace")
    with pytest.raises(BuildError, match="which a kernel may not") as caught:
        gate(text)
    assert caught.value.expected == "operands declared const"


def test_packed_weights_give_the_same_bits(sound: Kernel, given: tuple[Array, Array]) -> None:
    x, w = given
    packed, out = sound.pack_weights(w), np.empty((BATCH, OUTS), np.float32)
    plain = sound.forward(x, w)
    assert (plain == x @ w.T).all()
    w[:] = 0
    assert sound.forward(x, packed, out=out) is out and (out == plain).all()
    assert (Kernel.forward(sound, x, packed) == plain).all()
    assert isinstance(packed, Packed) and packed[2].size == OUTS * INS and (packed.array != 0).any()
    assert (packed[2].reshape(INS, OUTS) == packed.array.T).all()


def test_only_what_was_packed_is_read(sound: Kernel, given: tuple[Array, Array]) -> None:
    """The packed array is what counts, on the quick way and the slow one; nobody changes it by mistake."""
    x, w = given
    packed = sound.pack_weights(w)
    for array in packed[1:]:
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    packed[2].flags.writeable = True
    packed[2][:] = 0
    assert (sound.forward(x, packed) == 0).all() and (Kernel.forward(sound, x, packed) == 0).all()


def test_packed_for_another_kernel(sound: Kernel, given: tuple[Array, Array], art: Artefact) -> None:
    x, w = given
    other = called(art)
    with pytest.raises(LayerError, match="packed for another kernel"):
        other.forward(x, sound.pack_weights(w))
    with pytest.raises(LayerError, match="packed for another kernel"):
        sound.forward(sound.pack_weights(w), w)


@pytest.mark.parametrize("items", [(), (0,), (0, 1), (0, 1, 2, 2)])
def test_forged_packed_weights_do_no_harm(
    sound: Kernel, given: tuple[Array, Array], items: tuple[int, ...]
) -> None:
    """Of too few or too many items, or of arrays of another size: refused by whatever looks first."""
    x, w = given
    true = sound.pack_weights(w)
    short = Packed((sound, true[1], true[2][:3]))
    for forged in (Packed(true[i] for i in items), short):
        if len(forged) != len(true) or forged is short:
            try:
                assert (sound.forward(x, forged) == x @ w.T).all()
            except (ValueError, IndexError, LayerError):
                continue


def test_workspaces_and_packed_weights_are_aligned(sound: Kernel, given: tuple[Array, Array]) -> None:
    starts = [aligned(n, np.float32).ctypes.data % ALIGNMENT for n in range(1, 400, 7)]
    assert set(starts) == {0}
    assert sound.pack_weights(given[1])[2].ctypes.data % ALIGNMENT == 0
    assert sound._scratch(None).ctypes.data % ALIGNMENT == 0
    odd = aligned(sound.workspace_bytes // 4 + 1, np.float32)[1:]
    assert (sound.forward(*given, workspace=odd) == given[0] @ given[1].T).all()
