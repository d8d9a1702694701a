"""A run: what is looked at, what is remembered, what is told once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lint_project import Files

from dbkit.errors import ConfigurationError
from dbkit.lint import run, style
from dbkit.lint.cache import StyleHit

TWO = """
[project]
name = "shop"
[services.one]
shared = ["common"]
[services.two]
shared = ["common"]
[services.cart]
engine = "redis"
"""
FLOAT = "CREATE TABLE {{ schema }}.t (id bigint PRIMARY KEY, price real);\n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "project")


def test_a_shared_file_is_told_once(tmp_path: Path) -> None:
    files = Files(tmp_path / "project", TWO)
    files.put("schemas/_shared/common/t.sql.j2", FLOAT)
    assert [(finding.path, finding.line) for finding in files.findings("float_for_money")] == [("schemas/_shared/common/t.sql.j2", 1)]


def test_one_service_may_be_asked_for(tmp_path: Path) -> None:
    files = Files(tmp_path / "project", TWO)
    files.put("schemas/_shared/common/nothing.sql", "SELECT 1;\n")
    files.put("schemas/one/t.sql.j2", FLOAT)
    files.put("schemas/two/t.sql.j2", FLOAT)
    assert {finding.path for finding in files.lint("two").findings} == {"schemas/two/t.sql.j2"}
    assert {finding.path for finding in files.lint("schemas/one").findings} == {"schemas/one/t.sql.j2"}


def test_a_macro_that_is_asked_for_is_looked_at_through_whoever_renders_it(files: Files) -> None:
    files.put("schemas/_shared/m.sql.j2", "{% macro m(schema) %}\n-- a comment\n" + FLOAT + "{% endmacro %}\n")
    files.put("schemas/main/t.sql.j2", '{% from "m.sql.j2" import m %}\nSELECT  1;\n{{ m(schema) }}\n')
    assert {(finding.rule, finding.path, finding.line) for finding in files.lint("schemas/_shared/m.sql.j2").findings} == {
        ("float_for_money", "schemas/_shared/m.sql.j2", 3),
    }


def test_files_that_came_with_dbkit_are_not_their_users_to_mend(tmp_path: Path) -> None:
    files = Files(tmp_path / "project", '[project]\nname = "shop"\n[services.main]\nshared = ["ops"]\n')
    result = files.lint()
    assert result.findings == ()
    assert result.files == 0


def test_what_cannot_be_rendered_is_a_finding_and_the_rest_is_looked_at(files: Files) -> None:
    files.put("schemas/main/t.sql.j2", "SELECT 1;\nSELECT {{ nothing }};\n")
    files.put("migrations/main/0001_t.sql.j2", FLOAT)
    found = {finding.rule: finding for finding in files.lint().findings}
    assert (found["unreadable"].path, found["unreadable"].line, found["unreadable"].level) == ("schemas/main/t.sql.j2", 2, "error")
    assert "float_for_money" in found


def test_a_syntax_error_is_the_only_finding_of_its_script(files: Files) -> None:
    files.put("schemas/main/t.sql.j2", "-- about\nCREATE TABL {{ schema }}.t (price real);\n")
    (finding,) = files.lint().findings
    assert (finding.rule, finding.level, finding.line) == ("syntax", "error", 2)


def test_lua_scripts_and_what_they_include_are_looked_at(tmp_path: Path) -> None:
    files = Files(tmp_path / "project", TWO)
    files.put("lua/cart/a.lua", "--[[\na: nothing\n]]\nreturn redis.call('KEYS', '*')\n")
    files.put("lua/_lib/b.lua", "function b()\nend\n")
    assert {(finding.rule, finding.path, finding.line) for finding in files.lint("cart").findings} == {
        ("lua_unbounded_command", "lua/cart/a.lua", 4),
        ("lua_undeclared_global", "lua/_lib/b.lua", 1),
    }


def test_a_second_run_reads_the_cache(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.put("schemas/main/t.sql.j2", FLOAT)
    first = files.lint()
    monkeypatch.setattr(run, "gather", None)
    assert files.lint() == first


def test_an_edit_is_seen_and_only_its_text_styled_again(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.put("schemas/main/a.sql", "SELECT  1;\n")
    files.put("schemas/main/b.sql", "SELECT 2;\n")
    assert len(files.lint().findings) == 1
    examined: list[str] = []

    def examine(_settings: str, text: str) -> list[StyleHit]:
        examined.append(text)
        return []

    monkeypatch.setattr(style, "examine", examine)
    files.put("schemas/main/b.sql", "SELECT 3;\n")
    assert len(files.lint().findings) == 1
    assert examined == ["SELECT 3;\n"]


def test_a_broken_cache_is_no_cache(files: Files) -> None:
    files.put("schemas/main/t.sql.j2", FLOAT)
    first = files.lint()
    for path in (files.root / ".dbkit" / "lint-cache").glob("*.json"):
        path.write_text('{"findings": 1}', encoding="utf-8")
    assert files.lint() == first


def git(files: Files, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "-C", str(files.root), *identity, *arguments], check=True, capture_output=True)


def test_changed_since_a_commit_is_what_differs_from_where_the_histories_part(files: Files) -> None:
    git(files, "init", "-q", "-b", "main")
    for name in ("kept", "edited", "deleted"):
        files.put(f"schemas/main/{name}.sql.j2", FLOAT.replace(".t ", f".{name} "))
    git(files, "add", "schemas", "dbkit.toml")
    git(files, "commit", "-q", "-m", "start")
    git(files, "checkout", "-q", "-b", "topic")
    git(files, "branch", "later", "main")
    files.put("schemas/main/edited.sql.j2", FLOAT.replace(".t ", ".edited2 "))
    files.put("schemas/main/new.sql.j2", FLOAT.replace(".t ", ".new "))
    (files.root / "schemas/main/deleted.sql.j2").unlink()
    assert {finding.path for finding in files.lint(since="main").findings} == {"schemas/main/edited.sql.j2", "schemas/main/new.sql.j2"}


@pytest.mark.parametrize("revision", ["nothing", "--output=x", "HEAD~99"])
def test_an_unknown_commit_is_a_usage_error(files: Files, revision: str) -> None:
    git(files, "init", "-q")
    git(files, "commit", "-q", "--allow-empty", "-m", "start")
    with pytest.raises(ConfigurationError, match="git knows no changes"):
        files.lint(since=revision)


def test_neither_a_service_nor_a_path_names_the_nearest(files: Files) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'main'"):
        files.lint("mian")
