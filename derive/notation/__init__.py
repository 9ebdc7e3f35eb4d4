"""Owns how mathematics is typeset: one small tree of nodes, printed as LaTeX, MathML Core and plain text."""
