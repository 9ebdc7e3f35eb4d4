"""Owns the languages that loops are printed in, one folder each."""
