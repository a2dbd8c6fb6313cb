"""Findings as SARIF 2.1.0, the exchange format code hosts and editors read."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from stratum_lab.report.baseline import fingerprint
from stratum_lab.scan.view import FindingView, InstanceView, ScanView

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"CRITICAL": "error", "HIGH": "error", "MEDIUM": "warning", "LOW": "note"}
_RANKS = {"CRITICAL": 9.5, "HIGH": 8.0, "MEDIUM": 5.0, "LOW": 2.0}


def sarif(view: ScanView, version: str) -> dict[str, Any]:
    """A SARIF log with one run; each instance of a finding is a result."""
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "stratum", "version": version, "rules": [_rule(f) for f in view.findings]}},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {"SRCROOT": {"description": {"text": "Root of the scanned repository."}}},
                "results": [
                    _result(index, finding, instance)
                    for index, finding in enumerate(view.findings)
                    for instance in finding.instances
                ],
            }
        ],
    }


def _rule(finding: FindingView) -> dict[str, Any]:
    return {
        "id": finding.rule,
        "shortDescription": {"text": finding.title},
        "help": {"text": finding.remediation},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {
            "tags": [finding.rule_class, finding.category, *finding.risks],
            "security-severity": str(_RANKS[finding.adjusted]),
        },
    }


def _result(index: int, finding: FindingView, instance: InstanceView) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.adjusted],
        "message": {"text": instance.text},
        "partialFingerprints": {"stratum/v1": fingerprint(finding.rule, instance)},
        "properties": {"crew": instance.crew, "confidence": finding.confidence, "incident": finding.incident},
    }
    if instance.place is not None:
        result["locations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(instance.place.file), "uriBaseId": "SRCROOT"},
                    "region": {"startLine": max(1, instance.place.line)},
                }
            }
        ]
    return result
