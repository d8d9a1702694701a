"""Findings as SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dbkit.lint import Finding, Lint

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def as_sarif(result: Lint, root: Path, version: str) -> dict[str, Any]:
    """Return the log of one run; paths are relative to the project, which is %SRCROOT%."""
    rules = {finding.rule: finding for finding in result.findings}
    order = {name: index for index, name in enumerate(sorted(rules))}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "dbkit",
                        "semanticVersion": version,
                        "rules": [_rule(rules[name], result.summaries.get(name)) for name in order],
                    }
                },
                "originalUriBaseIds": {"%SRCROOT%": {"uri": root.as_uri() + "/"}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, order[finding.rule]) for finding in result.findings],
            }
        ],
    }


def _rule(example: Finding, summary: str | None) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": example.rule, "shortDescription": {"text": summary or f"{example.rule} ({example.layer})"}}
    if example.help:
        rule["help"] = {"text": example.help}
    if example.url:
        rule["helpUri"] = example.url
    return rule


def _result(finding: Finding, index: int) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": finding.line, "startColumn": finding.column}
    if finding.source.strip():
        region["snippet"] = {"text": finding.source}
    same = hashlib.sha256(f"{finding.rule}\0{finding.path}\0{finding.source.strip()}\0{finding.message}".encode()).hexdigest()
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": LEVELS[finding.level],
        "message": {"text": finding.message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(finding.path), "uriBaseId": "%SRCROOT%"},
                    "region": region,
                }
            }
        ],
        "partialFingerprints": {"dbkitFinding/v1": same},
    }
