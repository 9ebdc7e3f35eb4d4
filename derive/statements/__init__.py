"""Owns the mathematics that layers state: definitions and closed forms over symbolic sizes."""
