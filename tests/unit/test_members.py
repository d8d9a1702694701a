"""Which targets a service has, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbkit.errors import ConfigurationError
from dbkit.fleet.members import members
from dbkit.project.manifest import find_project, read_manifest
from dbkit.project.target import Target, targets
from dbkit.source.files import names

CANARY = "c4nary"
MANIFEST = """
[project]
name = "shop"
[services.order]
schema = "orders"
[services.product]
[services.cart]
engine = "redis"
[environments.here]
url = "postgresql://{service}@db/{database}"
redis_url = "redis://cache/0"
[environments.here.services.order]
"""


def listed(folder: Path, settings: str, *services: str, url: str | None = None) -> list[Target]:
    (folder / "dbkit.toml").write_text(MANIFEST + settings, encoding="utf-8")
    return members(targets(find_project(folder), "here", services or ("order",), url), services or ("order",))


def refusal(folder: Path, settings: str, *services: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        listed(folder, settings, *services)
    return caught.value


def urls(*given: str) -> str:
    return f"targets = {{ urls = {list(given)} }}"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"postgresql://u:{CANARY}@db1.example:5432/order", "db1.example/order"),
        ("postgresql://u@db1:6432/order", "db1:6432/order"),
        ("postgresql://u@db1,db2/order", "db1,db2/order"),
        (f"host=db1 dbname=order password={CANARY}", "db1/order"),
        ("postgresql:///order?host=/run/postgresql", "order"),
        ("postgresql://u@db1", "db1"),
        ("service=shard_1", "shard_1"),
        ("postgresql://{service}@db1/{database}", "db1/order"),
    ],
)
def test_a_database_is_called_by_its_host_and_name(tmp_path: Path, url: str, name: str) -> None:
    (target,) = listed(tmp_path, urls(url))

    assert target.name == f"order@{name}"
    assert CANARY not in repr(target)


def test_databases_of_one_name_behind_several_sockets_are_called_by_these_too(tmp_path: Path) -> None:
    alike = (
        "postgresql:///x?host=/run/a",
        "postgresql:///x?host=/run/b",
        "postgresql:///x?host=/run/b&port=5433",
        "postgresql:///x?port=5434",
        "service=s dbname=x",
    )

    *found, other = listed(tmp_path, urls(*alike, "postgresql:///y?host=/run/b"))

    assert [target.member for target in found] == ["/run/a/x", "/run/b/x", "/run/b:5433/x", ":5434/x", "s/x"]
    assert other.name == "order@y"


def test_a_url_of_a_fleet_comes_from_elsewhere_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARD", "postgresql://u@db7/order")
    (tmp_path / "shard").write_text("postgresql://u@db8/order\n")

    found = listed(tmp_path, urls("env:SHARD", "file:shard", "cmd:echo postgresql://u@db9/order"))

    assert [target.name for target in found] == ["order@db7/order", "order@db8/order", "order@db9/order"]


def test_databases_share_the_name_that_the_journal_has(tmp_path: Path) -> None:
    found = listed(tmp_path, urls("postgresql://a/x", "postgresql://b/x"))

    assert [(target.service, target.schema, target.role("owner")) for target in found] == [("order", "orders", "shop_order_owner")] * 2


def test_schemas_have_names_of_their_own_in_the_journal_and_share_files_and_roles(tmp_path: Path) -> None:
    found = listed(tmp_path, 'targets = { schemas = ["red", "green"] }')

    assert [(t.name, t.service, t.schema) for t in found] == [("order@red", "order@red", "red"), ("order@green", "order@green", "green")]
    first = found[0]
    assert (first.url, first.database, first.role("owner")) == ("postgresql://order@db/order", "order", "shop_order_owner")
    assert first.project.folder(first.service, "migrations") == tmp_path / "migrations/order"
    seen = names(first.project, first.service)
    assert (seen["service"], seen["schema"], seen["roles"]["app"]) == ("order", "red", "shop_order_app")


def test_a_command_prints_one_url_a_line(tmp_path: Path) -> None:
    (tmp_path / "shards").write_text("postgresql://u@a/x\n\n  postgresql://u@b/x\n")

    assert [t.name for t in listed(tmp_path, 'targets = { command = "cat shards" }')] == ["order@a/x", "order@b/x"]
    (tmp_path / "shards").write_text("red\ngreen\n")
    assert [t.name for t in listed(tmp_path, 'targets = { schemas = { command = "cat shards" } }')] == ["order@red", "order@green"]


def test_what_a_command_prints_starts_no_other(tmp_path: Path) -> None:
    (tmp_path / "shards").write_text(f"cmd:touch {tmp_path}/touched\n")

    assert "is not a PostgreSQL URL" in refusal(tmp_path, 'targets = { command = "cat shards" }').message
    assert not (tmp_path / "touched").exists()


def test_services_with_one_target_stay_among_the_others(tmp_path: Path) -> None:
    found = listed(tmp_path, urls("postgresql://a/x", "postgresql://b/x"), "order", "product")

    assert [target.name for target in found] == ["order@a/x", "order@b/x", "product"]


def test_a_target_that_is_named_is_one_as_if_there_were_no_others(tmp_path: Path) -> None:
    found = listed(tmp_path, urls("postgresql://a/x", "postgresql://b/x"), "order@b/x")

    assert [(target.name, target.fleet) for target in found] == [("order@b/x", None)]


def test_a_url_for_one_run_is_one_database(tmp_path: Path) -> None:
    found = listed(tmp_path, urls("postgresql://a/x", "postgresql://b/x"), url="postgresql://c/x")

    assert [(target.name, target.url) for target in found] == [("order", "postgresql://c/x")]


def test_a_url_for_one_run_leaves_the_schemas(tmp_path: Path) -> None:
    found = listed(tmp_path, 'targets = { schemas = ["red", "green"] }', url="postgresql://c/x")

    assert [(target.name, target.url) for target in found] == [
        ("order@red", "postgresql://c/x"),
        ("order@green", "postgresql://c/x"),
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (urls(), "no target of 'order' is listed"),
        ('targets = { command = "true" }', "no target of 'order' is listed"),
        ('targets = { command = "false" }', "exit code 1"),
        (urls("postgresql://u@a/x", "postgresql://v@a/x"), "two targets are order@a/x"),
        (urls("postgresql://u@/x?host=/run/a", "postgresql:///x?host=/run/a&port=5432"), "two targets are order@/run/a/x"),
        ('targets = { schemas = ["red", "red"] }', "two targets are order@red"),
        ('targets = { schemas = { command = "echo Red" } }', "'Red', a target of 'order', can't be a schema"),
        (urls(f"postgresql://u:{CANARY}%zz@a/x"), "target 1 of 'order' is not a PostgreSQL URL"),
    ],
)
def test_a_listing_that_is_wrong_says_why(tmp_path: Path, settings: str, said: str) -> None:
    error = refusal(tmp_path, settings)

    assert said in error.message
    assert CANARY not in f"{error.message}{error.hint}"


def test_a_target_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    error = refusal(tmp_path, urls("postgresql://a/x", "postgresql://b/x"), "order@bb/x")

    assert "did you mean 'order@b/x'?" in error.message
    assert error.hint == "2 targets: order@a/x, order@b/x"


def test_a_service_that_has_no_others_says_so(tmp_path: Path) -> None:
    assert "'product' has no other targets in environment 'here'" in refusal(tmp_path, "", "product@x").message


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("targets = {}", "need one of urls, command, query and schemas"),
        ('targets = { urls = ["x"], command = "y" }', "need one of urls, command, query and schemas"),
        ('targets = { urls = ["x"], url = "y" }', "have a url, which belongs to a query"),
        ("targets = { schemas = {} }", "need one of command and query to list the schemas"),
        ('targets = { schema = ["x"] }', "did you mean 'schemas'?"),
        ('targets = { schemas = ["Red"] }', "matching regex"),
        ('targets = ["x"]', "Expected `object`"),
        ("jobs = 0", "Expected `int` >= 1"),
        ('[environments.here.services.cart]\ntargets = { urls = ["x"] }', "a service on Redis has one"),
    ],
)
def test_targets_that_can_not_be_are_refused_at_their_line(tmp_path: Path, settings: str, said: str) -> None:
    (tmp_path / "dbkit.toml").write_text(MANIFEST + settings, encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        read_manifest(tmp_path / "dbkit.toml")

    assert said.lower() in caught.value.message.lower()
    assert caught.value.where == f"{tmp_path}/dbkit.toml:{(MANIFEST + settings).count(chr(10)) + 1}"
