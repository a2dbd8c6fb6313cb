"""Lookup tables of the scanner, as data."""
