"""Where a service lives: environments, URLs from elsewhere, placeholders, masks."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbkit.errors import ConfigurationError
from dbkit.project.manifest import Project, find_project
from dbkit.project.target import Target, environment_of, mask, targets

CANARY = "c4nary"
MANIFEST = """
[project]
name = "shop"
[services.order]
database = "orders"
[services.payment]
[services.cart]
engine = "redis"
[environments.staging]
url = "postgresql://{service}_migrator@db/{database}"
redis_url = "redis://cache/0"
[environments.staging.services.payment]
url = "postgresql://payments/p"
migrate_url = "postgresql://direct/p"
[environments.nowhere]
protected = true
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return with_url(tmp_path, "")


def with_url(folder: Path, url: str) -> Project:
    more = f'[environments.here]\nurl = "{url}"\n' if url else ""
    (folder / "dbkit.toml").write_text(MANIFEST + more, encoding="utf-8")
    return find_project(folder)


def one(project: Project, service: str, environment: str = "staging", url: str | None = None) -> Target:
    return targets(project, environment, (service,), url)[0]


def test_placeholders_are_filled_for_each_service(project: Project) -> None:
    assert one(project, "order").url == "postgresql://order_migrator@db/orders"


def test_a_service_of_an_environment_has_urls_of_its_own(project: Project) -> None:
    target = one(project, "payment")

    assert target.url == "postgresql://payments/p"
    assert target.migrate_url == "postgresql://direct/p"


def test_redis_services_take_the_redis_url(project: Project) -> None:
    assert one(project, "cart").url == "redis://cache/0"


def test_a_variable_overrides_every_url_of_a_service(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBKIT_PAYMENT_URL", "postgresql://other/p")

    target = one(project, "payment")

    assert target.url == "postgresql://other/p"
    assert target.migrate_url is None


def test_an_option_overrides_the_variable(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBKIT_PAYMENT_URL", "postgresql://other/p")

    assert one(project, "payment", url="postgresql://third/p").url == "postgresql://third/p"


def test_one_url_serves_one_service_only(project: Project) -> None:
    with pytest.raises(ConfigurationError, match="exactly one SERVICE"):
        targets(project, "staging", ("order", "payment"), "postgresql://x/y")


def test_the_environment_local_is_there_without_being_written(project: Project) -> None:
    target = one(project, "order", "local")

    assert target.url is None
    assert target.shown == "embedded"


def test_an_environment_that_names_no_place_says_what_to_set(project: Project) -> None:
    with pytest.raises(ConfigurationError) as caught:
        one(project, "order", "nowhere")

    assert caught.value.hint == "set `url` under [environments.nowhere], or DBKIT_ORDER_URL"


def test_an_unknown_environment_is_answered_with_the_nearest(project: Project) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'staging'"):
        environment_of(project, "stagng")


def test_the_variable_dbkit_env_chooses_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBKIT_ENV", "staging")

    assert environment_of(project, None)[0] == "staging"


def test_an_option_beats_dbkit_env(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBKIT_ENV", "staging")

    assert environment_of(project, "nowhere")[0] == "nowhere"


def test_a_url_comes_from_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDER_URL", "postgresql://v/{database}")

    assert one(with_url(tmp_path, "env:ORDER_URL"), "order", "here").url == "postgresql://v/orders"


def test_a_url_comes_from_a_file_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("postgresql://f/x\n", encoding="utf-8")
    monkeypatch.chdir("/")

    assert one(with_url(tmp_path, "file:secret"), "order", "here").url == "postgresql://f/x"


def test_a_url_comes_from_a_command_run_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("postgresql://c/x\n", encoding="utf-8")
    monkeypatch.chdir("/")

    assert one(with_url(tmp_path, "cmd:cat secret"), "order", "here").url == "postgresql://c/x"


def test_a_libpq_service_name_passes_unchanged(tmp_path: Path) -> None:
    assert one(with_url(tmp_path, "service=orders"), "order", "here").url == "service=orders"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("env:NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"),
        ("file:not/there", "not/there"),
        ("cmd:false", "exit code 1"),
        ("cmd:no-such-program-here", "could not be run"),
        ("postgresql://h/{databse}", "{databse}"),
    ],
)
def test_a_url_that_can_not_be_had_says_why(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        one(with_url(tmp_path, url), "order", "here")

    assert said in caught.value.message


def test_what_a_failing_command_prints_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"echo {CANARY}; echo {CANARY} >&2; exit 3", encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        one(with_url(tmp_path, "cmd:sh secret"), "order", "here")

    assert CANARY not in f"{caught.value}{caught.value.hint}"


SECRET_URLS = [
    f"postgresql://u:{CANARY}@h/d",
    f"postgresql://u:{CANARY}@h:5432/d?sslmode=verify-full",
    f"postgresql://:{CANARY}@h/d",
    f"postgresql://u:x{CANARY}%40@h/d",
    f"postgresql://u:a@{CANARY}@h/d",
    f"postgresql://u:a/{CANARY}@h/d",
    f"postgresql://u:a#{CANARY}@h/d",
    f"postgresql://u:a?{CANARY}@h/d",
    f"postgresql://u:{CANARY}[@h/d",
    f"postgresql://u@h/d?password={CANARY}",
    f"postgresql://u@h/d?connect_timeout=1&password={CANARY}&sslmode=require",
    f"postgresql://u@h1,h2/d?sslpassword={CANARY}",
    f"host=h user=u password={CANARY}",
    f"host=h password='{CANARY} with \\' a quote {CANARY}' user=u",
    f"host=h PASSWORD = {CANARY}",
    f"redis://:{CANARY}@h:6379/0",
    f"rediss://u:{CANARY}@h/0",
    f"redis://h/0?password={CANARY}",
    f"unix://u:{CANARY}@/run/redis.sock?db=0",
    f"cmd:echo postgresql://u:{CANARY}@h/d",
    f"postgresql://u:{CANARY}/d",  # no host
    f"postgresql://u:{CANARY}",
]


@pytest.mark.parametrize("url", SECRET_URLS)
def test_a_mask_leaves_nothing_of_a_password(url: str) -> None:
    masked = mask(url)

    assert CANARY not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@h:5432/d?sslmode=verify-full",
        "postgresql:///d?host=%2Frun%2Fpg&user=u",
        "service=orders",
        "postgresql://h1:5432,h2:5433/d",
        "postgresql://[::1]:5432/d",
        "redis://h:6379/0",
        "unix:///run/redis.sock",
    ],
)
def test_a_mask_leaves_a_url_without_a_password_as_it_is(url: str) -> None:
    assert mask(url) == url


def test_a_mask_keeps_what_helps_to_find_the_server() -> None:
    assert mask(f"postgresql://u:{CANARY}@h:5432/d") == "postgresql://u:***@h:5432/d"


def test_a_target_prints_without_its_password(project: Project) -> None:
    target = one(project, "order", url=f"postgresql://u:{CANARY}@h/d")

    assert CANARY not in f"{target!r}{target}{target.shown}"
