"""The only door to DuckDB: schema, the one writer, the served read-only door, and readers."""

from __future__ import annotations

from stratum_lab.warehouse.pending import Pending
from stratum_lab.warehouse.reader import Answer, Reader, open_warehouse
from stratum_lab.warehouse.serve import Door
from stratum_lab.warehouse.writer import Stored, Warehouse, Written

__all__ = ["Answer", "Door", "Pending", "Reader", "Stored", "Warehouse", "Written", "open_warehouse"]
