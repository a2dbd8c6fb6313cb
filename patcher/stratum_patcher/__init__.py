"""Emits what an agent program does (model calls, tasks, tools, delegations, ...) as events, without changing it.

Importing the package does nothing; `stratum_patcher._start.start()` is called by the path file or the site hook.
"""

__version__ = "0.1.0"
