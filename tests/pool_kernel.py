"""A pooling kernel in C over the element operations, compiled with the headers, with room for planted bugs.

It stands where a generated kernel stands: `PoolRig` has what the check of a selection asks of a rig.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from codegen.compile import chosen_isa, to_binary
from codegen.harness import ELEMENTS
from codegen.relation import entries, relation_of
from codegen.windows import Windows, windows_of
from derive.instance import claim_at
from derive.layers.base import Layer

ISA = chosen_isa("portable")
TEXT = """
#include "backflip_ops.h"
#define SHOWN __attribute__((visibility("default"))) void

static void choose(const E *source, const int64_t *entry, const int64_t *value, long taps, E *best, E *code) {
    *best = e_zero(), *code = e_index(-1);
    for (long tap = 0; tap < taps; tap++) {
        E x = e_load(source + entry[tap]), flag = TAKEN(*code, *best, x);
        *best = e_choose(flag, x, *best);
        *code = e_choose(flag, e_index(value[tap]), *code);
    }
}

SHOWN pool(E *values, E *codes, E *gradient, const E *source, const E *grads, const int64_t *entry,
           const int64_t *value, const int64_t *counts, long windows, long taps) {
    for (long w = 0; w < windows; w++) {
        E best, code;
        choose(source, entry + w * taps, value + w * taps, counts[w], &best, &code);
        e_store(values + w, best), e_store(codes + w, code);
        for (long tap = 0; tap < counts[w]; tap++) {
            E *to = gradient + entry[w * taps + tap], hit = e_same(code, e_index(value[w * taps + tap]));
            e_store(to, GATHER(e_load(to), e_choose(hit, e_load(grads + w), e_zero())));
        }
    }
}

/* BF_LANES windows of the same taps at once: entries[tap * BF_LANES + lane] */
SHOWN pool_lanes(E *values, E *codes, const E *entries, long taps) {
    V best = v_zero(), code = v_index(-1, 0);
    for (long tap = 0; tap < taps; tap++) {
        V x = v_load(entries + tap * BF_LANES), flag = LANES_TAKEN(code, best, x);
        best = v_choose(flag, x, best);
        code = v_choose(flag, v_index(tap, 0), code);
    }
    v_store(values, best), v_store(codes, code);
}
"""
GOOD = {
    "TAKEN(c, b, x)": "e_larger(c, b, x)",
    "LANES_TAKEN(c, b, x)": "v_larger(c, b, x)",
    "GATHER(sum, x)": "e_add(sum, x)",
}


def library(folder: Path, dtype: str, **changed: str) -> ctypes.CDLL:
    """The kernel with some of GOOD's macros (by the word before the bracket) changed."""
    told = {name.partition("(")[0]: (name, body) for name, body in GOOD.items()}
    told |= {name: (told[name][0], body) for name, body in changed.items()}
    text = "".join(f"#define {name} {body}\n" for name, body in told.values()) + TEXT
    source = folder / f"pool_{abs(hash((dtype, text)))}.c"
    source.write_text('#include "backflip_ops.h"\n' + text)
    target = source.with_suffix(".so")
    to_binary(source, target, ISA, (ELEMENTS[dtype], f"BF_LANES={ISA.lanes(dtype)}"))
    return ctypes.CDLL(str(target))


class PoolRig:
    """One result of the pooling kernel for a layer at a shape: "output", "indices" or "grad_input"."""

    def __init__(self, c_library: ctypes.CDLL, layer: Layer, shape: tuple[int, ...], kernel: str, dtype: str):
        key = "input" if kernel == "grad_input" else "output"
        self.claim = claim_at(layer.claims(**layer.choices(shape))[key], layer.sizes(shape))
        self.kernel, self.dtype, self.library = kernel, np.dtype(dtype), c_library
        self.relation = relation_of(self.claim)
        self.operands = tuple(t for t in self.relation.operands if t.name != "pick")
        if kernel == "grad_input":
            self.operands += tuple(t for t in self.claim.setting.inputs if t.name == "input")
        (self.code,) = layer.codes(shape).values()
        self.windows: Windows = windows_of(self.claim.setting, "pick", self.code)

    def run(self, data: Mapping[str, Any]) -> Any:
        assert {t.name for t in self.operands} <= set(data)
        w, total = self.windows, len(self.windows.entries)
        source = np.ascontiguousarray(data["input"], self.dtype)
        assert source.size == w.absent
        values, codes = np.empty(total, self.dtype), np.empty(total, self.dtype)
        gradient = np.zeros(w.absent, self.dtype)
        grads = np.ascontiguousarray(data.get("grad_output", np.zeros(total)), self.dtype)
        given = (values, codes, gradient, source, grads, w.entries, w.values, w.counts)
        at = [a.ctypes.data_as(ctypes.c_void_p) for a in given]
        self.library.pool(*at, ctypes.c_long(total), ctypes.c_long(w.entries.shape[1]))
        found = {"output": values, "indices": codes, "grad_input": gradient}[self.kernel]
        if self.kernel == "output":
            assert found.size == entries(self.relation.result)
        return found


def lanes(c_library: ctypes.CDLL, dtype: str) -> Any:
    """The kernel by vectors, as a selection of `codegen.orders`: rows of values -> (taken, place)."""
    width = ISA.lanes(dtype)

    def run(rows: Any) -> tuple[Any, Any]:
        count, taps = rows.shape
        values = np.empty(-(-count // width) * width, rows.dtype)
        codes = np.empty_like(values)
        step = values.itemsize
        padded = np.resize(rows, (len(values), taps)).reshape(-1, width, taps)
        turned = np.ascontiguousarray(padded.transpose(0, 2, 1))
        at = [a.ctypes.data for a in (values, codes, turned)]
        for block in range(len(turned)):
            spots = (
                at[0] + block * width * step,
                at[1] + block * width * step,
                at[2] + block * width * step * taps,
            )
            c_library.pool_lanes(*map(ctypes.c_void_p, spots), ctypes.c_long(taps))
        return values[:count], codes[:count].astype(np.int64)

    return run
