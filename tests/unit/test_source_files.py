"""Which files are migrations and routines, in what order; whatever else is there is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbkit.errors import ConfigurationError
from dbkit.project.manifest import Project, find_project
from dbkit.routines.order import deployment_order
from dbkit.source.files import Migration, load_migrations
from dbkit.source.repeatables import load_routines

MANIFEST = """
[project]
name = "shop"
[services.main]
shared = []
[services.main.rules]
limit = 7
"""


class Files:
    """A project of files only."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "dbkit.toml").write_text(MANIFEST, encoding="utf-8")

    def put(self, *paths: str, text: str = "SELECT 1;\n") -> None:
        for path in paths:
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text, encoding="utf-8")

    def migrations(self, **texts: str) -> None:
        for stem, text in texts.items():
            self.put(f"migrations/main/{stem.lstrip('m')}.sql", text=text)

    @property
    def project(self) -> Project:
        return find_project(self.root)

    def load(self) -> list[Migration]:
        return load_migrations(self.project, "main")

    def names(self) -> list[str]:
        return [migration.name for migration in self.load()]

    def refusal(self) -> ConfigurationError:
        with pytest.raises(ConfigurationError) as caught:
            self.load()
        assert caught.value.exit_code == 2
        return caught.value

    def routine_order(self) -> list[str]:
        return [routine.id.partition("/")[2] for routine in deployment_order(load_routines(self.project, "main"))]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_service_without_a_folder_has_no_migrations(files: Files) -> None:
    assert files.names() == []


def test_migrations_come_in_the_order_of_their_numbers(files: Files) -> None:
    files.migrations(m10_c="SELECT 1;", m9_b="SELECT 1;", m0008_a="SELECT 1;")

    assert files.names() == ["0008_a", "9_b", "10_c"]


def test_a_rollback_belongs_to_the_migration_of_its_name(files: Files) -> None:
    files.put("migrations/main/0001_a.sql", "migrations/main/0001_a.rollback.sql.j2", "migrations/main/0002_b.sql")

    first, second = files.load()

    assert first.rollback is not None
    assert first.rollback.path.name == "0001_a.rollback.sql.j2"
    assert second.rollback is None


def test_documentation_beside_migrations_is_left_alone(files: Files) -> None:
    files.put("migrations/main/README.md", "migrations/main/.gitkeep", "migrations/main/0001_a.sql")

    assert files.names() == ["0001_a"]


REFUSED = [
    ("0001_a.SQL", "lower case"),
    ("0001_A.Sql.J2", "lower case"),
    ("._0001_a.sql", "macOS"),
    ("0001_a.sql~", "left-over"),
    ("0001_a.sql.bak", "left-over"),
    ("0001_a.sql.orig", "left-over"),
    (".0001_a.sql.swp", "left-over"),
    ("#0001_a.sql#", "left-over"),
    ("0001_a.py", "not a migration's name"),
    ("notes.txt", "not a migration's name"),
    ("create_a.sql", "not a migration's name"),
    ("0001 a.sql", "not a migration's name"),
]


@pytest.mark.parametrize(("name", "said"), REFUSED)
def test_what_is_no_migration_is_said_and_neither_run_nor_skipped(files: Files, name: str, said: str) -> None:
    files.put("migrations/main/0002_b.sql", f"migrations/main/{name}")

    error = files.refusal()

    assert said in error.message
    assert error.where == f"{files.root}/migrations/main/{name}:1"


def test_a_folder_among_migrations_is_said(files: Files) -> None:
    files.put("migrations/main/0001_a.sql/x")

    assert "0001_a.sql" in files.refusal().message


def test_a_link_is_said_and_not_followed(files: Files) -> None:
    files.put("elsewhere.sql", "migrations/main/0001_a.sql")
    (files.root / "migrations/main/0002_b.sql").symlink_to(files.root / "elsewhere.sql")

    assert "a link" in files.refusal().message


def test_two_files_of_one_name_are_refused_with_both_paths(files: Files) -> None:
    files.put("migrations/main/0001_a.sql", "migrations/main/0001_a.sql.j2")

    error = files.refusal()

    assert error.where == f"{files.root}/migrations/main/0001_a.sql.j2:1"
    assert f"{files.root}/migrations/main/0001_a.sql:" in f"{error.hint}"


@pytest.mark.parametrize("second", ["0001_b.sql", "1_b.sql", "01_b.sql.j2"])
def test_two_migrations_of_one_number_are_refused(files: Files, second: str) -> None:
    files.put("migrations/main/0001_a.sql", f"migrations/main/{second}")

    error = files.refusal()

    assert "number 1" in error.message
    assert "0001_a" in error.message


def test_a_rollback_without_its_migration_is_refused(files: Files) -> None:
    files.put("migrations/main/0001_a.sql", "migrations/main/0002_b.rollback.sql")

    error = files.refusal()

    assert "without its migration" in error.message
    assert error.where == f"{files.root}/migrations/main/0002_b.rollback.sql:1"


def test_an_irreversible_migration_says_why(files: Files) -> None:
    files.put("migrations/main/0001_a.sql", text="-- irreversible:\nSELECT 1;")

    assert "says no reason" in files.refusal().message


@pytest.mark.parametrize("text", ["", "\n \n", "{# nothing #}", "{% if false %}SELECT 1;{% endif %}"])
def test_a_file_that_renders_to_nothing_is_refused(files: Files, text: str) -> None:
    files.put("migrations/main/0001_a.sql.j2", text=text)

    assert "empty" in files.refusal().message


def test_a_migration_sees_names_and_no_numbers(files: Files) -> None:
    files.put("migrations/main/0001_a.sql.j2", text="SELECT {{ rules.limit }};")

    error = files.refusal()

    assert error.hint is not None
    assert "sees names only" in error.hint


def test_a_routine_sees_numbers(files: Files) -> None:
    files.put("schemas/main/limit.sql.j2", text="SELECT {{ rules.limit }};")

    assert load_routines(files.project, "main")[0].script.text == "SELECT 7;"


def test_depends_brings_a_later_number_first(files: Files) -> None:
    files.migrations(m0001_a="-- depends: 0002_b\nSELECT 1;", m0002_b="SELECT 1;", m0003_c="SELECT 1;")

    assert files.names() == ["0002_b", "0001_a", "0003_c"]


def test_an_unknown_depends_is_answered_with_the_nearest(files: Files) -> None:
    files.migrations(m0001_create="SELECT 1;", m0002_b="-- depends: 0001_crate\nSELECT 1;")

    error = files.refusal()

    assert "did you mean '0001_create'?" in error.message
    assert error.where == f"{files.root}/migrations/main/0002_b.sql:1"


def test_a_circle_of_depends_is_named(files: Files) -> None:
    files.migrations(
        m0001_a="-- depends: 0003_c\nSELECT 1;", m0002_b="-- depends: 0001_a\nSELECT 1;", m0003_c="-- depends: 0002_b\nSELECT 1;"
    )

    message = files.refusal().message

    assert message.startswith("circular depends: ")
    assert message.count(" -> ") == 3


def test_routines_come_after_what_their_text_is_bound_to(files: Files) -> None:
    files.put("schemas/main/a_view.sql", text="CREATE VIEW main.v AS SELECT main.f() AS x FROM main.w;")
    files.put("schemas/main/b_atomic.sql", text="CREATE FUNCTION main.f() RETURNS int BEGIN ATOMIC SELECT main.g(); END;")
    files.put("schemas/main/c_function.sql", text="CREATE FUNCTION main.g() RETURNS int LANGUAGE sql AS 'SELECT 1';")
    files.put("schemas/main/d_view.sql", text="CREATE VIEW main.w AS SELECT 1;")

    assert files.routine_order() == ["c_function", "b_atomic", "d_view", "a_view"]


def test_a_trigger_comes_after_its_function(files: Files) -> None:
    files.put("schemas/main/a.sql", text="CREATE TRIGGER t BEFORE INSERT ON main.x FOR EACH ROW EXECUTE FUNCTION main.tg();")
    files.put("schemas/main/b.sql", text="CREATE FUNCTION main.tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;")

    assert files.routine_order() == ["b", "a"]


def test_what_a_quoted_body_names_does_not_order(files: Files) -> None:
    files.put("schemas/main/a.sql", text="CREATE FUNCTION main.a() RETURNS int LANGUAGE sql AS $$ SELECT main.b() $$;")
    files.put("schemas/main/b.sql", text="CREATE FUNCTION main.b() RETURNS int LANGUAGE sql AS $$ SELECT main.a() $$;")

    assert files.routine_order() == ["a", "b"]


def test_depends_orders_where_the_text_can_not(files: Files) -> None:
    files.put("schemas/main/a.sql", text="-- depends: b\nSELECT 1;")
    files.put("schemas/main/b.sql", text="SELECT 1;")

    assert files.routine_order() == ["b", "a"]


def test_a_circle_of_routines_is_named(files: Files) -> None:
    files.put("schemas/main/a.sql", text="-- depends: b\nSELECT 1;")
    files.put("schemas/main/b.sql", text="-- depends: a\nSELECT 1;")

    with pytest.raises(ConfigurationError, match="circular depends"):
        files.routine_order()


def test_an_unknown_depends_of_a_routine_is_answered_with_the_nearest(files: Files) -> None:
    files.put("schemas/main/views/total.sql", text="-- depends: views/totals\nSELECT 1;")

    with pytest.raises(ConfigurationError, match="did you mean 'views/total'"):
        files.routine_order()


@pytest.mark.parametrize(("header", "majors"), [(">= 17", {17, 18}), ("< 17", {15, 16}), ("= 16", {16}), (">=18", {18})])
def test_a_server_header_chooses_by_major_version(files: Files, header: str, majors: set[int]) -> None:
    files.put("schemas/main/a.sql", text=f"-- server: {header}\nSELECT 1;")

    (routine,) = load_routines(files.project, "main")

    assert {major for major in (15, 16, 17, 18) if routine.suits(major)} == majors


@pytest.mark.parametrize(("header", "said"), [("server: 18", ">= 18"), ("server: > 17", ">= 18"), ("phase: first", "before or after")])
def test_a_wrong_value_of_a_routines_header_is_refused(files: Files, header: str, said: str) -> None:
    files.put("schemas/main/a.sql", text=f"-- {header}\nSELECT 1;")

    with pytest.raises(ConfigurationError) as caught:
        load_routines(files.project, "main")

    assert said in caught.value.message


def test_a_linked_folder_of_routines_is_said_and_not_followed(files: Files) -> None:
    files.put("schemas/main/b.sql", "common/f.sql")
    (files.root / "schemas/main/functions").symlink_to(files.root / "common")

    with pytest.raises(ConfigurationError, match="a link to a folder"):
        load_routines(files.project, "main")


@pytest.mark.parametrize("name", [".hidden.sql", "a.SQL", "._a.sql", "a.sql~", "a.sql.orig", "#a.sql#"])
def test_what_is_no_routine_is_said_and_neither_run_nor_skipped(files: Files, name: str) -> None:
    files.put("schemas/main/b.sql", f"schemas/main/{name}")

    with pytest.raises(ConfigurationError) as caught:
        load_routines(files.project, "main")

    assert caught.value.where == f"{files.root}/schemas/main/{name}:1"
