"""What each reader makes of its tool's folder, and what it refuses as the tool would."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dbkit.errors import ConfigurationError
from dbkit.layouts.readers import layout_of, tools
from dbkit.layouts.readers.flyway import checksum
from dbkit.layouts.steps import Reading


def reading(tool: str, folder: Path, **files: str | bytes) -> Reading:
    """Write files, whose names are given with `__` for a slash in the keyword `files`, and read them."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return layout_of(tool).read(folder)


def ids(found: Reading) -> list[str]:
    return [step.id for step in found.steps]


def sql(found: Reading, index: int = 0) -> str:
    up = found.steps[index].up
    assert up is not None
    return up.sql


def down(found: Reading, index: int = 0) -> str:
    text = found.steps[index].down
    assert text is not None
    return text.sql


def test_there_are_nine() -> None:
    expected = ["dbmate", "diesel", "flyway", "golang-migrate", "goose", "graphile-migrate", "psql", "sqitch", "yoyo"]
    assert tools() == expected


# order


def test_flyway_compares_versions_as_numbers_and_merges_folders(tmp_path: Path) -> None:
    found = reading(
        "flyway", tmp_path, **{f"{f}/V{v}__x.sql": "SELECT 1" for f, v in zip("abcab", ("1.10", "1_2", "2", "1.2.1", "10"), strict=True)}
    )

    assert ids(found) == ["1.2", "1.2.1", "1.10", "2", "10"]


def test_flyway_takes_1_and_1_0_for_one_version(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="two files are version 1"):
        reading("flyway", tmp_path, **{"V1__a.sql": "SELECT 1", "V1.0__b.sql": "SELECT 1"})


def test_diesel_sorts_by_what_stands_before_the_underscore_without_dashes(tmp_path: Path) -> None:
    names = ("2019-02-26-002946_b", "20190226002945_a", "2019-02-27-000000_c")

    assert ids(reading("diesel", tmp_path, **{f"{n}/up.sql": "SELECT 1" for n in names})) == [
        "20190226002945",
        "20190226002946",
        "20190227000000",
    ]


@pytest.mark.parametrize(("tool", "names"), [("golang-migrate", "{}_a.up.sql"), ("goose", "{}_a.sql")])
def test_numbers_are_compared_as_numbers(tool: str, names: str, tmp_path: Path) -> None:
    found = reading(tool, tmp_path, **{names.format(n): "-- +goose Up\nSELECT 1;" for n in (10, 9, 100)})

    assert ids(found) == ["9", "10", "100"]


def test_yoyo_puts_each_after_what_it_depends_on(tmp_path: Path) -> None:
    found = reading("yoyo", tmp_path, **{"a.sql": "-- depends: b  c\nSELECT 1", "b.py": "__depends__ = {'c'}\n", "c.sql": "SELECT 1"})

    assert ids(found) == ["c", "b", "a"]
    assert found.steps[1].up is None
    assert sql(found, 2) == "SELECT 1"


def test_a_folder_of_psql_is_in_the_order_of_its_numbers_and_asks(tmp_path: Path) -> None:
    found = reading("psql", tmp_path, **{"10_b/1.sql": "SELECT 1", "9_a/2.sql": "SELECT 1", "9_a/10.sql": "SELECT 1"})

    assert ids(found) == ["9_a/2", "9_a/10", "10_b/1"]
    assert [left.doubt for left in found.left] == [True]


# marks


def test_dbmate_has_a_mark_for_each_direction(tmp_path: Path) -> None:
    text = "-- why\n-- migrate:up transaction:false\nSELECT 1; -- migrate:down\n--  migrate:down\nSELECT 2"
    found = reading("dbmate", tmp_path, **{"1_a.sql": text, "2.sql": "-- migrate:up\nSELECT 3;"})
    step = found.steps[0]

    assert sql(found) == "-- why\n\nSELECT 1; -- migrate:down\n"
    assert down(found) == "\nSELECT 2"
    assert step.up
    assert step.down
    assert (step.up.transactional, step.down.transactional) == (False, True)
    assert found.steps[1].down is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1;", "no `-- migrate:up`"),
        ("-- migrate:down\n-- migrate:up\n", "stands before"),
        ("SELECT 1;\n-- migrate:up\n", "statements before"),
    ],
)
def test_dbmate_refuses(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        reading("dbmate", tmp_path, **{"1.sql": text})


def test_goose_takes_its_marks_in_any_case(tmp_path: Path) -> None:
    text = (
        "--+goose no transaction\n-- +GOOSE up\n-- +goose statementbegin\nSELECT 1;\n--   +goose   StatementEnd\n-- +goose DOWN\nSELECT 2"
    )
    found = reading("goose", tmp_path, **{"1_a.sql": text, "2_b.go": "package x", "2_b_test.go": "package x"})
    step = found.steps[0]

    assert sql(found).strip() == "SELECT 1;"
    assert down(found).strip() == "SELECT 2"
    assert step.up
    assert step.down
    assert (step.up.transactional, step.down.transactional) == (False, False)
    assert found.steps[1].up is None
    assert [left.path.name for left in found.left] == ["2_b_test.go"]


def test_goose_asks_for_the_environments_variables_only_where_it_replaces_them(tmp_path: Path) -> None:
    text = "-- +goose ENVSUB ON\n-- +goose Up\nSELECT '${A}';\n-- +goose ENVSUB OFF\n-- +goose Down\nSELECT '${A}';"
    step = reading("goose", tmp_path, **{"1_a.sql": text}).steps[0]

    assert step.up
    assert step.down
    assert len(step.up.doubts) == 1
    assert step.down.doubts == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1;", "no `-- \\+goose Up`"),
        ("-- +goose Up\n-- +goose Op\n", "1_a.sql|no mark `\\+goose Op`"),
        ("-- +goose Up\n-- +goose Up\n", "not expected"),
        ("-- +goose Down\n", "not expected"),
        ("-- +goose Up\n-- +goose StatementEnd\n", "not expected"),
        ("-- +goose Up\n-- +goose StatementBegin\nSELECT 1;", "StatementEnd"),
        ("SELECT 1;\n-- +goose Up\n", "statements before"),
    ],
)
def test_goose_refuses(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        reading("goose", tmp_path, **{"1_a.sql": text})


def test_diesels_metadata_rules_both_directions(tmp_path: Path) -> None:
    files = {"1_a/up.sql": "SELECT 1", "1_a/down.sql": "SELECT 2", "1_a/metadata.toml": "run_in_transaction = false"}
    step = reading("diesel", tmp_path, **files).steps[0]

    assert step.up
    assert step.down
    assert (step.up.transactional, step.down.transactional) == (False, False)


def test_flyways_settings_stand_beside_a_script(tmp_path: Path) -> None:
    files = {"V1__a.sql": "SELECT '${x}'", "V1__a.sql.conf": "executeInTransaction=false\nplaceholderReplacement=false"}
    step = reading("flyway", tmp_path, **files, **{"flyway.conf": "flyway.placeholders.x=1"}).steps[0]

    assert step.up
    assert (step.up.transactional, step.up.sql, step.up.doubts) == (False, "SELECT '${x}'", ())


# placeholders


def test_flyway_fills_declared_placeholders_in_literals_too_and_asks_for_others(tmp_path: Path) -> None:
    files = {
        "db/V1__a.sql": "SELECT '${Owner}', ${n}, '${flyway:database}'",
        "flyway.toml": "[flyway.placeholders]\nowner = 'shop'\nn = 7\n",
        "db/R__v.sql": "SELECT ${n}",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = layout_of("flyway").read(tmp_path / "db")
    up = found.steps[0].up

    assert up
    assert up.sql == "SELECT 'shop', 7, '${flyway:database}'"
    assert up.notes == ("placeholder Owner filled", "placeholder n filled")
    assert len(up.doubts) == 1
    assert found.repeatables["v"].sql == "SELECT 7"


def test_graphile_fills_declared_placeholders_and_nothing_that_looks_alike(tmp_path: Path) -> None:
    body = "SELECT ':WHO'::TEXT, a[1:NOT_ONE], :DATABASE_OWNER, :WHOLE;\n"
    files = {
        ".gmrc": '{"placeholders": {":WHO": "me, // not a comment", ":KEY": "!ENV"}, /* x */ }',
        "committed/000001.sql": committed(body),
    }
    up = reading("graphile-migrate", tmp_path, **files).steps[0].up

    assert up
    assert up.sql.strip() == "SELECT 'me, // not a comment'::TEXT, a[1:NOT_ONE], :DATABASE_OWNER, :WHOLE;"
    assert len(up.doubts) == 1


# graphile-migrate's chain


def committed(body: str, previous: str = "-", *, headers: str = "") -> str:
    before = "" if previous == "-" else f"{previous}\n"
    digest = hashlib.sha1(f"{before}{body.strip()}\n".encode()).hexdigest()  # noqa: S324
    return f"--! Previous: {previous}\n--! Hash: sha1:{digest}\n{headers}\n{body}"


def digest_of(text: str) -> str:
    return text.split("\n")[1].removeprefix("--! Hash: ")


def test_graphiles_chain_is_followed(tmp_path: Path) -> None:
    first = committed("SELECT 1;\n")
    second = committed("--! no-transaction\nVACUUM;\n", digest_of(first), headers="--! Message: clean\n")
    found = reading("graphile-migrate", tmp_path, **{"committed/000001.sql": first, "committed/000002-clean-up.sql": second})

    assert [(step.id, step.name) for step in found.steps] == [("000001.sql", "000001"), ("000002.sql", "000002_clean-up")]
    assert found.steps[1].up
    assert not found.steps[1].up.transactional
    assert found.steps[1].checksum == digest_of(second)


def test_graphiles_broken_chain_and_edited_file_are_refused(tmp_path: Path) -> None:
    first = committed("SELECT 1;\n")
    with pytest.raises(ConfigurationError, match="edited"):
        reading("graphile-migrate", tmp_path, **{"committed/000001.sql": first.replace("SELECT 1", "SELECT 2")})
    allowed = first.replace("SELECT 1", "SELECT 2").replace("--! Hash", "--! AllowInvalidHash\n--! Hash")
    assert len(reading("graphile-migrate", tmp_path, **{"committed/000001.sql": allowed}).steps) == 1
    with pytest.raises(ConfigurationError, match="chain"):
        reading("graphile-migrate", tmp_path, **{"committed/000002.sql": committed("SELECT 2;\n", "sha1:00")})


def test_what_graphile_has_not_committed_is_named(tmp_path: Path) -> None:
    files = {"committed/000001.sql": committed("SELECT 1;\n"), "current.sql": "CREATE TABLE half ();", "fixtures/f.sql": "SELECT 1"}
    found = reading("graphile-migrate", tmp_path, **files)

    assert [(left.path.name, left.doubt) for left in found.left] == [("current.sql", True), ("f.sql", False)]


# sqitch's plan

WHO = "2024-01-01T00:00:00Z A B <a@example.com>"


def test_sqitchs_plan_rules_with_tags_reworks_and_dependencies(tmp_path: Path) -> None:
    plan = f"""\
%syntax-version=1.0.0
%project=shop

b {WHO} # comes first # twice
util/a [b] {WHO}
@v1 {WHO} # a tag
@v2 {WHO}

c [util/a !x other:y] {WHO}
b [b@v1 @v2] {WHO} # a rework
"""
    files = {
        "sqitch.plan": plan,
        "deploy/b.sql": "SELECT 'new'",
        "deploy/b@v1.sql": "SELECT 'old'",
        "deploy/util/a.sql": "SELECT 1",
        "deploy/c.sql": "SELECT 2",
    }
    files |= {"revert/b.sql": "SELECT 'back to old'", "verify/b.sql": "SELECT 1"}
    found = reading("sqitch", tmp_path, **files)

    assert ids(found) == ["b", "util/a", "c", "b#2"]
    assert [step.depends for step in found.steps] == [(), ("b",), ("util/a",), ("b", "util/a")]
    assert [step.name for step in found.steps] == ["b@v1", "util/a", "c", "b"]
    assert (sql(found), sql(found, 3), down(found, 3)) == ("SELECT 'old'", "SELECT 'new'", "SELECT 'back to old'")
    assert found.project == "shop"
    assert [left.path.name for left in found.left] == ["verify"]


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (f"%project=x\na [b] {WHO}\n", "requires 'b'"),
        (f"%project=x\na {WHO}\na {WHO}\n", "without a tag"),
        (f"%project=x\na {WHO}\nlost {WHO}\n", "no deploy script"),
        (f"a {WHO}\n", "no %project"),
        (f"%project=x\n@v {WHO}\n", "before the first change"),
    ],
)
def test_sqitch_refuses(plan: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        reading("sqitch", tmp_path, **{"sqitch.plan": plan, "deploy/a.sql": "SELECT 1"})


def test_sqitchs_settings_say_where_things_are(tmp_path: Path) -> None:
    conf = '[core]\n\tengine = pg\n\tplan_file = p/my.plan\n[engine "pg"]\n\tdeploy_dir = in\n[deploy "variables"]\n\twho = "O\'Brien"\n'
    files = {"sqitch.conf": conf, "p/my.plan": f"%project=x\na {WHO}\n", "in/a.sql": "SELECT :'who', ':who', :\"who\";"}

    assert sql(reading("sqitch", tmp_path, **files)) == "SELECT 'O''Brien', ':who', \"O'Brien\";"


# psql


def test_psqls_includes_and_variables_are_carried_out(tmp_path: Path) -> None:
    files = {
        "1.sql": "\\set ON_ERROR_STOP on\n\\set n 4\n\\set name 'it''s ' :n\n\\i parts/a.inc\n"
        "SELECT :n, :'name', a::int, x[1:2], ':n', $$:n$$;\n\\echo don't\n",
        "parts/a.inc": "SELECT :n; -- end\n\\ir b.sql",
        "parts/b.sql": "CREATE TABLE b ()",
    }
    found = reading("psql", tmp_path, **files)

    assert ids(found) == ["1"]
    assert sql(found).split("\n")[3:] == [
        "SELECT 4; -- end",
        "CREATE TABLE b ()",
        "SELECT 4, 'it''s 4', a::int, x[1:2], ':n', $$:n$$;",
        "",
        "",
    ]


def test_a_shell_command_is_never_run(tmp_path: Path) -> None:
    text = f"\\set x `touch {tmp_path / 'ran'}`\nSELECT :x;\n"
    up = reading("psql", tmp_path, **{"1.sql": text}).steps[0].up

    assert up
    assert (up.sql, len(up.doubts)) == (text, 1)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"1.sql": "\\i gone.sql\n"}, "no file 'gone.sql'"),
        ({"1.sql": "\\i 1.sql\n"}, "includes itself"),
        ({"1.sql": "\\i ../../../../../../../etc/hostname\n"}, "outside|no file"),
        ({"1.rollback.sql": "SELECT 1"}, "rollback without"),
    ],
)
def test_psql_refuses(files: dict[str, str], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        reading("psql", tmp_path, **files)


def test_a_dump_stays_as_it_is_its_data_too(tmp_path: Path) -> None:
    text = "\\restrict abc\nSET x = 1;\nCOPY t (a) FROM stdin;\n:n\t\\N\n\\set y\n\\.\n\nSELECT 1;\n\\unrestrict abc\n"

    assert sql(reading("psql", tmp_path, **{"1.sql": text})) == text


# what is not recognised


@pytest.mark.parametrize(
    ("tool", "good", "stray"),
    [
        ("golang-migrate", {"1_a.up.sql": "SELECT 1"}, "2_b_up.sql"),
        ("flyway", {"V1__a.sql": "SELECT 1"}, "v2__b.sql"),
        ("flyway", {"V1__a.sql": "SELECT 1"}, "V2_b.sql"),
        ("dbmate", {"1.sql": "-- migrate:up\n"}, "b.sql"),
        ("goose", {"1_a.sql": "-- +goose Up\n"}, "2_b.SQL"),
        ("diesel", {"1_a/up.sql": "SELECT 1"}, "1_a/down.sql.bak"),
        ("yoyo", {"1.sql": "SELECT 1"}, "2.sql~"),
        ("sqitch", {"sqitch.plan": f"%project=x\na {WHO}\n", "deploy/a.sql": "SELECT 1"}, "deploy/b.sql"),
        ("graphile-migrate", {"committed/000001.sql": "--! Previous: -\n--! Hash: sha1:x\n--! AllowInvalidHash\n\n"}, "committed/two.sql"),
        ("psql", {"1.sql": "SELECT 1"}, "2.SQL"),
    ],
)
def test_sql_under_a_strange_name_is_never_left_out_silently(tool: str, good: dict[str, str], stray: str, tmp_path: Path) -> None:
    assert len(reading(tool, tmp_path, **good).steps) == 1

    with pytest.raises(ConfigurationError, match=Path(stray).name):
        reading(tool, tmp_path, **{stray: "SELECT 1"})


def test_other_files_are_named(tmp_path: Path) -> None:
    found = reading(
        "flyway", tmp_path, **{"V1__a.sql": "SELECT 1", "V57__readme.md": "x", "afterMigrate.sql": "SELECT 1", "V2__Fix.java": "class"}
    )

    assert [(left.path.name, left.doubt) for left in found.left] == [("afterMigrate.sql", True), ("V57__readme.md", False)]
    assert [step.up is None for step in found.steps] == [False, True]


def test_flyways_baseline_script_counts_where_the_versions_below_it_are_gone(tmp_path: Path) -> None:
    found = reading("flyway", tmp_path, **{"B10__all.sql": "SELECT 1", "V11__a.sql": "SELECT 1"})
    assert ids(found) == ["10", "11"]

    found = reading("flyway", tmp_path, **{"V2__b.sql": "SELECT 1"})
    assert ids(found) == ["2", "11"]
    assert [left.path.name for left in found.left] == ["B10__all.sql"]


@pytest.mark.parametrize("tool", ["flyway", "golang-migrate"])
def test_a_way_back_without_its_way_there_is_refused(tool: str, tmp_path: Path) -> None:
    name = {"flyway": "U1__a.sql", "golang-migrate": "1_a.down.sql"}[tool]

    with pytest.raises(ConfigurationError, match="without its"):
        reading(tool, tmp_path, **{name: "SELECT 1"})


def test_a_file_that_is_not_utf_8_is_refused_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not UTF-8") as raised:
        reading("diesel", tmp_path, **{"1_a/up.sql": b"SELECT 1;\n-- caf\xe9"})

    assert str(raised.value.where).endswith("up.sql:2")


def test_flyways_checksum_is_independent_of_line_ends() -> None:
    assert checksum("SELECT 1;\nSELECT 2;\n") == checksum("SELECT 1;\r\nSELECT 2;") == "-1665099012"
