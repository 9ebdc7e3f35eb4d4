"""Owns Cython as a target: the printer of loops, the templates, the headers that say what an element is."""
