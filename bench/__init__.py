"""Speed measurements against named peers on the same input in the same run; `docs/bench.md` tells how to read them.

`run.py` is the entry (`python -m bench`); one module per measurement, each with `measure(bench) -> None`.
"""
