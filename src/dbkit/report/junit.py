"""Findings as JUnit XML: a suite for each file, a failed case for each finding."""

from __future__ import annotations

import re
from itertools import groupby
from xml.etree import ElementTree as ET

from dbkit.lint import Finding, Level, Lint

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(result: Lint, fail_on: Level) -> str:
    """Return the document; a finding that does not fail the run is a case that passed, with its text kept."""
    root = ET.Element("testsuites", name="dbkit lint")
    for path, group in groupby(result.findings, key=lambda finding: finding.path):
        findings = list(group)
        suite = ET.SubElement(root, "testsuite", name=path)
        failures = [_case(suite, finding, Lint((finding,), 1, {}).fails(fail_on)) for finding in findings]
        suite.attrib.update(tests=str(len(findings)), failures=str(sum(failures)), errors="0", skipped="0")
    if not result.findings:
        suite = ET.SubElement(root, "testsuite", name="dbkit lint", tests="1", failures="0", errors="0", skipped="0")
        ET.SubElement(suite, "testcase", classname="dbkit.lint", name=f"{result.files} files")
    for key in ("tests", "failures"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, finding: Finding, fails: bool) -> bool:
    name = f"{finding.rule} at line {finding.line}, column {finding.column}"
    case = ET.SubElement(suite, "testcase", classname=finding.path, name=name, file=finding.path, line=str(finding.line))
    text = NOT_XML.sub("", f"{finding.path}:{finding.line}:{finding.column}: {finding.level} {finding.rule}: {finding.message}")
    if fails:
        failure = ET.SubElement(case, "failure", message=NOT_XML.sub("", finding.message), type=finding.rule)
        failure.text = text
    else:
        ET.SubElement(case, "system-out").text = text
    return fails
