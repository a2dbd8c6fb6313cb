"""Detectors, one module a framework or subject; each fills the model from a project."""
