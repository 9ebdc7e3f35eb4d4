"""What is said of a validation: its checks, those of the same words together."""

from __future__ import annotations

from codegen.record import Check, ValidationRecord


def test_checks_are_said_together_where_the_words_are_the_same() -> None:
    checks = [
        Check(kernel, "trace", f"each of {n} entries, (at most {n}) of ({n} in all), f({n})", "deterministic")
        for kernel, n in (("output", 3), ("grad_input", 5))
    ]
    checks.insert(1, Check("output", "real", "one two", "none"))
    record = ValidationRecord("fast", "float32", 8, 1, 0.5, tuple(checks), "now")
    assert record.lines() == [
        "checked at level fast, now, in 0.5 s, random seed 1:",
        "  trace     output, grad_input",
        "            each of 3|5 entries, (at most 3|5) of (3|5 in all), f(3)|f(5)",
        "            bound: deterministic",
        "  real      output",
        "            one two",
        "            bound: none",
    ]
