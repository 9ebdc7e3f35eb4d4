"""Kernels whose parts are shared among threads: same bits, no races left out, and a process that forks."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from packing_kernel import BATCH, INS, OUTS, ROW, artefact, of_module

from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.lexical import gate
from codegen.rig import Rig
from codegen.shared import check_threads, threads_of

HERE = Path(__file__).parent
OWN = f"workspace + {ROW} + thread * {INS}"
LOOP = 'prange(2, num_threads=2, schedule="static")'


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return artefact(tmp_path_factory.mktemp("shared"), threads=2)


def test_threads_give_the_bits_of_one(art: Artefact) -> None:
    rig = Rig(art, "output", art.load_variant(("BF_ELEMENT_FLOAT",)), np.float32)
    check = check_threads(art, rig, np.random.default_rng(0))
    assert check.facts["threads"] == 2 == threads_of(art.pyx_text, "output")
    binary = Path(str(rig.module.__file__)).read_bytes()
    assert b"GOMP_parallel" in binary and art.pyx_text.count(LOOP) == 2


def test_classes_run_on_one_thread(art: Artefact) -> None:
    """What counts and marks is compiled without threads, from the same file."""
    module = art.load_variant(("BF_ELEMENT_UINT64",))
    assert b"GOMP_parallel" not in Path(str(module.__file__)).read_bytes()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor: threads take turns here")
def test_turns_that_meet(tmp_path: Path) -> None:
    """A buffer that each thread should have to itself, shared: one thread alone is right."""
    art = artefact(tmp_path, ((OWN, f"workspace + {ROW} + thread * 0"),), threads=2)
    rng, rig = (
        np.random.default_rng(0),
        Rig(art, "output", art.load_variant(("BF_ELEMENT_FLOAT",)), np.float32),
    )
    assert gate(art.pyx_text)
    data = {n: rng.standard_normal(c).astype(np.float32) for n, c in rig.counts.items()}
    rig.module.on_one_thread(True)
    right = rig.run(data).reshape(BATCH, OUTS).copy()
    rig.module.on_one_thread(False)
    wanted = data["input"].reshape(BATCH, INS) @ data["weight"].reshape(OUTS, INS).T
    assert np.allclose(right, wanted, atol=1e-3)
    with pytest.raises(BuildError, match="on several threads"):
        for _ in range(5000):
            check_threads(art, rig, rng)


@pytest.mark.parametrize(
    "other",
    [
        'prange(2, num_threads=3, schedule="static")',
        'prange(2, num_threads=2, schedule="dynamic")',
        "prange(2)",
        'prange(workspace, num_threads=2, schedule="static")',
    ],
)
def test_other_ways_to_share_are_refused(art: Artefact, other: str) -> None:
    with pytest.raises(BuildError, match="which a kernel may not"):
        gate(art.pyx_text.replace(LOOP, other, 1))


FORKS = """
    import os, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    import numpy as np
    from packing_kernel import of_module, BATCH, INS, OUTS
    from codegen import compile, forked
    kernel = of_module(compile.load(sys.argv[5], Path(sys.argv[2])), threads=2)
    if sys.argv[3] == "unwatched":
        forked._MODULES.clear()
    x, w = np.ones((BATCH, INS), np.float32), np.ones((OUTS, INS), np.float32)
    kernel.forward(x, w)
    child = os.fork()
    if not child:
        quick, slow = kernel.forward(x, w), type(kernel).forward(kernel, x, w)
        os._exit(0 if (quick == INS).all() and (slow == INS).all() else 1)
    import time
    for _ in range(int(sys.argv[4])):
        time.sleep(0.1)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            sys.exit(os.waitstatus_to_exitcode(status))
    os.kill(child, 9)
    os.waitpid(child, 0)
    sys.exit(7)
"""


@pytest.mark.parametrize(("watch", "status", "tenths"), [("watched", 0, 600), ("unwatched", 7, 15)])
def test_a_call_after_fork(art: Artefact, watch: str, status: int, tenths: int) -> None:
    """It returns; without what `codegen.forked` does the same call waits for ever."""
    program, module = textwrap.dedent(FORKS), art.load_variant(("BF_ELEMENT_FLOAT",))
    command = [sys.executable, "-c", program, str(HERE), str(module.__file__), watch, str(tenths)]
    command.append(module.__name__)
    assert subprocess.run(command, timeout=120, check=False).returncode == status


def test_several_python_threads_and_shared_parts(art: Artefact) -> None:
    from concurrent.futures import ThreadPoolExecutor

    kernel = of_module(art.load_variant(("BF_ELEMENT_FLOAT",)), threads=2)
    rng = np.random.default_rng(1)
    sets = [
        (
            rng.standard_normal((BATCH, INS)).astype(np.float32),
            rng.standard_normal((OUTS, INS)).astype(np.float32),
        )
        for _ in range(4)
    ]
    alone = [kernel.forward(*s).tobytes() for s in sets]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(50):
            assert [r.tobytes() for r in pool.map(lambda s: kernel.forward(*s), sets)] == alone
