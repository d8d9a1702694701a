"""dbkit.toml: what is wrong with it is said with line, key and the nearest spelling."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from dbkit.errors import ConfigurationError
from dbkit.project.manifest import find_project, read_manifest

HEAD = '[project]\nname = "shop"\n'


def manifest(folder: Path, text: str) -> Path:
    path = folder / "dbkit.toml"
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> ConfigurationError:
    path = manifest(folder, text)
    with pytest.raises(ConfigurationError) as caught:
        read_manifest(path)
    assert caught.value.exit_code == 2
    return caught.value


def test_three_lines_are_a_manifest(tmp_path: Path) -> None:
    manifest(tmp_path, f"{HEAD}[services.order]\n")

    project = find_project(tmp_path)

    assert project.name == "shop"
    assert project.schema("order") == "order"
    assert project.database("order") == "order"
    assert project.folder("order", "migrations") == tmp_path / "migrations/order"
    assert project.folder("order", "routines") == tmp_path / "schemas/order"
    assert project.folder("order", "scripts") == tmp_path / "lua/order"
    assert project.folder("order", "seeds") == tmp_path / "seeds/order"
    assert project.role("order", "owner") == "shop_order_owner"


def test_what_a_service_says_of_itself_wins(tmp_path: Path) -> None:
    manifest(tmp_path, f'{HEAD}[services.order]\nschema = "orders"\ndatabase = "Shop 1"\nmigrations = "db/changes"\n')

    project = find_project(tmp_path)

    assert project.schema("order") == "orders"
    assert project.database("order") == "Shop 1"
    assert project.folder("order", "migrations") == tmp_path / "db/changes"


def test_the_nearest_manifest_upward_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest(tmp_path, HEAD)
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")

    assert find_project(None).root == tmp_path


def test_a_folder_that_is_named_is_not_left_upward(tmp_path: Path) -> None:
    manifest(tmp_path, HEAD)
    (tmp_path / "a").mkdir()

    with pytest.raises(ConfigurationError, match=r"no dbkit\.toml in"):
        find_project(tmp_path / "a")


UNKNOWN_KEYS = [
    pytest.param("[service.order]\n", "service", "services", 3, id="top"),
    pytest.param("[services.order]\n\n[migrat]\nretries = 3\n", "migrat", "migrate", 5, id="top-below-others"),
    pytest.param("nane = 'x'\n", "nane", "name", 3, id="project"),
    pytest.param('[services.order]\nengine = "postgres"\nmigration = "x"\n', "migration", "migrations", 5, id="service"),
    pytest.param("[environments.a]\nprotect = true\n", "protect", "protected", 4, id="environment"),
    pytest.param(
        '[services.order]\n[environments.a]\nurl = "x"\n[environments.a.services.order]\nurll = "x"\n', "urll", "url", 7, id="endpoint"
    ),
    pytest.param("[migrate]\nlock_timeouts = '3s'\n", "lock_timeouts", "lock_timeout", 4, id="migrate"),
    pytest.param("[lint]\nfail = 'error'\n", "fail", "fail_on", 4, id="lint"),
    pytest.param("[health]\nthreshold = {}\n", "threshold", "thresholds", 4, id="health"),
    pytest.param("[health.thresholds]\ncache_hit_ratio = { warn = 1 }\n", "warn", "warning", 4, id="threshold"),
]


@pytest.mark.parametrize(("text", "key", "meant", "line"), UNKNOWN_KEYS)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_spelling(tmp_path: Path, text: str, key: str, meant: str, line: int) -> None:
    error = refusal(tmp_path, HEAD + text)

    assert repr(key) in error.message
    assert f"did you mean '{meant}'?" in error.message
    assert error.where == f"{tmp_path}/dbkit.toml:{line}"


WRONG_VALUES = [
    pytest.param("[services.order]\nengine = 'mysql'\n", "services.order.engine", 4, id="choice"),
    pytest.param("[services.order]\nshared = 'ops'\n", "services.order.shared", 4, id="list"),
    pytest.param("[services.order]\nschema = 'Orders'\n", "services.order.schema", 4, id="name"),
    pytest.param("[services.order.rules]\nmaximum = [1]\n", "services.order.rules", 3, id="rule"),
    pytest.param("[environments.a]\npostgres = 15\n", "environments.a.postgres", 4, id="version"),
    pytest.param("[environments.a]\nserver = 'docker'\n", "environments.a.server", 4, id="server"),
    pytest.param("[environments]\na = 3\n", "environments.a", 4, id="not-a-table"),
    pytest.param("[migrate]\nlock_timeout = 3\n", "migrate.lock_timeout", 4, id="number"),
    pytest.param("[migrate]\nlock_timeout = '3 seconds'\n", "migrate.lock_timeout", 4, id="duration"),
    pytest.param("[migrate]\nout_of_order = 'ignore'\n", "migrate.out_of_order", 4, id="policy"),
    pytest.param("[lint]\nfail_on = 'all'\n", "lint.fail_on", 4, id="lint"),
    pytest.param("[services]\nOrder = {}\n", "Order", 4, id="service-name"),
    pytest.param("[environments.Local]\n", "Local", 3, id="environment-name"),
]


@pytest.mark.parametrize(("text", "key", "line"), WRONG_VALUES)
def test_a_wrong_value_is_named_with_its_key_and_line(tmp_path: Path, text: str, key: str, line: int) -> None:
    error = refusal(tmp_path, HEAD + text)

    assert key in error.message
    assert error.where == f"{tmp_path}/dbkit.toml:{line}"


def test_services_must_be_a_table(tmp_path: Path) -> None:
    error = refusal(tmp_path, f"services = 3\n{HEAD}")

    assert "'services' must be a table" in error.message
    assert error.where == f"{tmp_path}/dbkit.toml:1"


POINTING_AT_NOTHING = [
    pytest.param("[services.order]\n[environments.a.services.ordr]\nurl = 'x'\n", "'order'", 4, id="service"),
    pytest.param("[environments.a]\nserver = 'embedded'\nurl = 'x'\n", "both", 5, id="two-servers"),
    pytest.param("[services.a]\n[environments.a.services.a]\nurl = 'x'\nscale = 'citus'\n", "whose targets are schemas", 6, id="scale"),
]


@pytest.mark.parametrize(("text", "said", "line"), POINTING_AT_NOTHING)
def test_a_name_that_points_at_nothing_is_refused(tmp_path: Path, text: str, said: str, line: int) -> None:
    error = refusal(tmp_path, HEAD + text)

    assert said in error.message
    assert error.where == f"{tmp_path}/dbkit.toml:{line}"


def test_a_default_environment_that_is_not_there_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, f"{HEAD}default_environment = 'stagin'\n[environments.staging]\nurl = 'x'\n")

    assert "did you mean 'staging'?" in error.message
    assert error.where == f"{tmp_path}/dbkit.toml:3"


def test_text_that_is_no_toml_is_named_with_its_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, "[project]\nname =\n")

    assert error.where == f"{tmp_path}/dbkit.toml:2"


def test_a_manifest_without_its_project_says_what_to_write(tmp_path: Path) -> None:
    error = refusal(tmp_path, "[services.order]\n")

    assert "[project]" in error.message
    assert error.hint is not None
    assert "name" in error.hint


def test_a_manifest_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dbkit.toml").write_bytes(b'[project]\nname = "\xff"\n')

    with pytest.raises(ConfigurationError, match="can't read"):
        read_manifest(tmp_path / "dbkit.toml")


def test_an_unknown_service_is_answered_with_the_nearest(tmp_path: Path) -> None:
    manifest(tmp_path, f"{HEAD}[services.order]\n[services.payment]\n")

    with pytest.raises(ConfigurationError) as caught:
        find_project(tmp_path).service("paiment")

    assert "did you mean 'payment'?" in caught.value.message
    assert caught.value.hint == "services: order, payment"
