"""A small project of files for the tests of lint."""

from __future__ import annotations

from pathlib import Path

from dbkit.lint import Finding, Lint, lint, select
from dbkit.project.manifest import find_project

MANIFEST = """
[project]
name = "shop"
[services.main]
schema = "app"
shared = []
"""


class Files:
    """A project: put files, look at them."""

    def __init__(self, root: Path, manifest: str = MANIFEST) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.put("dbkit.toml", manifest)

    def put(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def lint(self, *words: str, since: str | None = None) -> Lint:
        project = find_project(self.root)
        return lint(project, select(project, words, self.root, since), 18)

    def findings(self, rule: str) -> list[Finding]:
        return [finding for finding in self.lint().findings if finding.rule == rule]
