"""Findings as GitHub's workflow commands, which it shows beside the lines of a pull request."""

from __future__ import annotations

from dbkit.lint import Finding, Lint

COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def as_annotations(result: Lint) -> str:
    """Return one line a finding."""
    return "".join(f"{_annotation(finding)}\n" for finding in result.findings)


def _annotation(finding: Finding) -> str:
    properties = {"file": finding.path, "line": str(finding.line), "col": str(finding.column), "title": finding.rule}
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{COMMANDS[finding.level]} {shown}::{_message(finding.message)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
