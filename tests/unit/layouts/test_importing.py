"""What a text becomes: verbatim, but for what would not run here, which is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbkit.errors import ConfigurationError
from dbkit.layouts.convert import File, Place, convert_repeatable, convert_step
from dbkit.layouts.importing import is_written, plan_import, stems, write_import
from dbkit.layouts.steps import Step, Text
from dbkit.project.manifest import Project, find_project
from dbkit.source.files import load_migrations

PLACE = Place("app", ("schema_migrations",))


def files(up: str, down: str | None = None, *, bare: bool = False, depends: tuple[str, ...] = ()) -> list[File]:
    step = Step("1", "a", Path("a.sql"), Text(up, not bare), Text(down) if down is not None else None, "the tool has none")
    return convert_step(step, Path("m/1_a"), depends, PLACE)


def up_of(up: str, down: str = "SELECT 1;", *, bare: bool = False) -> File:
    return files(up, down, bare=bare)[0]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT '100%', '{{1,2}}', a ? 'b', ':x', '${y}' -- no newline",
        "SELECT 1;;\n\n;\n",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;\n",
        "DO $$ BEGIN PERFORM 1; END; $$;\n-- COMMIT;",
        "\\restrict abc\nSELECT 1;\n\\unrestrict abc\n",
        "COPY t FROM stdin;\nBEGIN;\n\\.\nSELECT 1;\n",
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);\n",
    ],
)
def test_a_text_stays_as_it_is(text: str) -> None:
    assert (up_of(text).text, up_of(text).notes) == (text, ())


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("BEGIN;\nSELECT 1;\nCOMMIT;\n", "\nSELECT 1;\n\n"),
        ("-- why BEGIN\nstart transaction isolation level serializable;\nSELECT 1;\nEND", "-- why BEGIN\n\nSELECT 1;\n"),
        ("SET x.y = 1;\nBEGIN;\nSELECT 1; COMMIT;", "SET x.y = 1;\n\nSELECT 1; "),
    ],
)
def test_a_begin_and_commit_around_the_whole_are_taken_away(text: str, left: str) -> None:
    found = up_of(text, bare=True)

    assert found.text == left  # one transaction again, whatever the tool was told
    assert found.notes == ("its own BEGIN and COMMIT taken away",)


@pytest.mark.parametrize(
    "text", ["BEGIN;\nSELECT 1;\nCOMMIT;\nBEGIN;\nSELECT 2;\nCOMMIT;", "SELECT 1;\nCOMMIT;", "BEGIN;\nSELECT 1;\nROLLBACK;"]
)
def test_other_transaction_control_stays_and_is_told_with_its_line(text: str) -> None:
    found = up_of(text)

    assert found.text == text
    assert found.doubts
    assert all("dbkit owns the transaction" in doubt.text and doubt.where.startswith("m/1_a.sql:") for doubt in found.doubts)


def test_what_cant_be_in_a_transaction_gets_the_header_each_way_by_itself() -> None:
    up, down = files("CREATE INDEX CONCURRENTLY i ON t (a);", "DROP INDEX i;")

    assert up.text == "-- transactional: false\nCREATE INDEX CONCURRENTLY i ON t (a);"
    assert down.text == "DROP INDEX i;"
    assert "CREATE INDEX CONCURRENTLY" in up.notes[0]
    assert up_of("DO $$ BEGIN COMMIT; END $$").text.startswith("-- transactional: false\n")


def test_the_tools_mark_becomes_the_header() -> None:
    assert up_of("SELECT 1", bare=True).text == "-- transactional: false\nSELECT 1"


def test_an_index_that_a_resume_could_not_find_needs_a_person() -> None:
    assert "without a name" in up_of("CREATE INDEX CONCURRENTLY ON t (a)").doubts[0].text


def test_no_way_back_is_said_with_the_reason() -> None:
    assert files("SELECT 1")[0].text == "-- irreversible: the tool has none\nSELECT 1"
    assert [file.text for file in files("SELECT 1", "-- nothing\n")] == ["-- irreversible: its way back is empty\nSELECT 1"]


def test_an_empty_file_becomes_one_that_does_nothing() -> None:
    assert [file.text for file in files("-- nothing", "")] == ["-- nothing\nSELECT 1;\n", "SELECT 1;\n"]


def test_roles_are_allowed_where_one_way_makes_them() -> None:
    assert files("SELECT 1", "DROP ROLE r")[0].text == "-- allow: roles\nSELECT 1"
    assert files("CREATE ROLE r")[0].text == "-- allow: roles\n-- irreversible: the tool has none\nCREATE ROLE r"


def test_comments_that_look_like_headers_are_none() -> None:
    text = "-- depends: on the weather\n-- Transactional: yes\nSELECT 1;\n-- allow: everything\n"
    found = up_of(text)

    assert found.text == " -- depends: on the weather\n-- Transactional: yes\nSELECT 1;\n -- allow: everything\n".replace(
        "\n-- T", "\n -- T"
    )
    assert found.doubts == ()
    assert up_of("SELECT '\n-- depends: x\n'").doubts


def test_the_services_schema_is_left_to_dbkit() -> None:
    found = files("CREATE SCHEMA IF NOT EXISTS app;\nCREATE SCHEMA other;", "DROP SCHEMA other; DROP SCHEMA app CASCADE;")

    assert [file.text for file in found] == ["\nCREATE SCHEMA other;", "DROP SCHEMA other; "]
    assert up_of("DROP SCHEMA app, other;").doubts
    assert up_of("CREATE SCHEMA app CREATE TABLE t ();").doubts


def test_a_dumps_setting_that_means_nothing_goes_another_one_stays() -> None:
    assert up_of("SET standard_conforming_strings = on;\nSELECT 1;").text == "\nSELECT 1;"
    assert up_of("SET standard_conforming_strings = off;\nSELECT 1;").doubts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1;\nDELETE FROM schema_migrations;", "which a new database does not have"),
        ("SELECT 1;\nALTER TABLE t OWNER TO you;", "change an owner"),
        ("SELECT 1;\nALTER FUNCTION f() OWNER TO you;", "change an owner"),
        ("SELECT 1;\n\\connect other\n", r"psql's command \connect"),
        ("SELECT 1;\nSELEC 2;", "syntax error"),
    ],
)
def test_what_a_person_must_settle_is_told_with_the_line_of_the_new_file(text: str, reason: str) -> None:
    doubt = up_of(text, bare=True).doubts[0]

    assert reason in doubt.text
    assert doubt.where == "m/1_a.sql:3"  # behind the header


def test_a_step_in_code_leaves_a_file_that_refuses_to_run() -> None:
    step = Step("1", "a", Path("V1__O'Brien.java"), None)
    (file,) = convert_step(step, Path("m/1_a"), (), PLACE)

    assert "RAISE EXCEPTION 'a step in code stood here: V1__O''Brien.java'" in file.text
    assert "code" in file.doubts[0].text


def test_a_repeatable_knows_a_routines_headers_only() -> None:
    found = convert_repeatable(Text("-- transactional: x\n-- phase: y\nCREATE VIEW app.v AS SELECT 1;"), Path("r/v.sql"), PLACE)

    assert found.text == "-- transactional: x\n -- phase: y\nCREATE VIEW app.v AS SELECT 1;"


def test_a_repeatable_that_cant_be_in_a_transaction_needs_a_person() -> None:
    assert convert_repeatable(Text("VACUUM;", transactional=False), Path("r/v.sql"), PLACE).doubts


# names


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (["1_a", "2_b", "10_c"], ["1_a", "2_b", "10_c"]),
        (["20240101_a b", "20240102-c.d"], ["20240101_a_b", "20240102-c_d"]),
        (["1.1__a", "1.2__b"], ["0001_1_1__a", "0002_1_2__b"]),
        (["2_b", "1_a"], ["0001_2_b", "0002_1_a"]),
        (["users", "orders"], ["0001_users", "0002_orders"]),
        (["1_a", "1_b"], ["0001_1_a", "0002_1_b"]),
        (["1_a", "2_b", "4_c"], ["0001_1_a", "0002_2_b", "0003_4_c"]),
        (["10_a", "20_b", "40_c"], ["10_a", "20_b", "40_c"]),
    ],
)
def test_a_tools_name_is_kept_where_it_sorts_the_same_here(theirs: list[str], ours: list[str]) -> None:
    assert stems(theirs) == ours


# the whole


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "dbkit.toml").write_text('[project]\nname = "p"\n[services.main]\nshared = []\n')
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/1_a.up.sql").write_text("CREATE TABLE main.a ();")
    (tmp_path / "theirs/1_a.down.sql").write_text("DROP TABLE main.a;")
    return find_project(tmp_path)


def test_what_is_written_is_what_our_loader_reads(project: Project) -> None:
    planned = plan_import(project, "main", "golang-migrate", project.root / "theirs")
    assert not is_written(project, "main", planned)

    write_import(planned)

    (migration,) = load_migrations(project, "main")
    assert (migration.name, migration.script.text) == ("1_a", "CREATE TABLE main.a ();")
    assert is_written(project, "main", planned)


def test_nothing_is_overwritten_and_nothing_is_written_by_halves(project: Project) -> None:
    planned = plan_import(project, "main", "golang-migrate", project.root / "theirs")
    planned.files[1].path.mkdir(parents=True)

    with pytest.raises(ConfigurationError, match="overwrites nothing"):
        write_import(planned)

    assert not planned.files[0].path.exists()


def test_a_service_that_has_other_migrations_takes_no_import(project: Project) -> None:
    folder = project.folder("main", "migrations")
    folder.mkdir(parents=True)
    (folder / "0001_own.sql").write_text("SELECT 1;")

    with pytest.raises(ConfigurationError, match="not 1_a"):
        is_written(project, "main", plan_import(project, "main", "golang-migrate", project.root / "theirs"))


def test_names_without_a_schema_are_told_once_and_not_for_a_service_in_public(project: Project) -> None:
    for number in (2, 3):
        (project.root / f"theirs/{number}_b.up.sql").write_text(f"CREATE TABLE b{number} ();")
    planned = plan_import(project, "main", "golang-migrate", project.root / "theirs")
    assert ["b2" in doubt.text for doubt in planned.doubts] == [True]

    manifest = project.root / "dbkit.toml"
    manifest.write_text(manifest.read_text() + 'schema = "public"\n')
    assert plan_import(find_project(project.root), "main", "golang-migrate", project.root / "theirs").doubts == ()


def test_an_empty_folder_is_no_history(project: Project, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="no migration of goose"):
        plan_import(project, "main", "goose", tmp_path / "empty")
