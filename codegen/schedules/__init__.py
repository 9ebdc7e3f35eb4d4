"""Owns the choice of a loop order and a register tile for one contraction; what it computes is given."""
