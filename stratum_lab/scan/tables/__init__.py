"""Lookup tables of the scanner.

A new library tool is a row of `known_tools.json`, a new library a row of `libraries.py`; a service that neither names
yet goes into `schemas/services.json`, which run time reads too. `signature_vectors.json` holds the graph fingerprints.
"""
