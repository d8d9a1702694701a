"""dbkit redis-cli"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbkit.commands import Invocation, invocation, service_argument
from dbkit.errors import ConfigurationError

if TYPE_CHECKING:
    import redis


@click.command("redis-cli")
@service_argument
@click.argument("words", nargs=-1, metavar="[COMMAND [ARG]...]")
@invocation
def command(call: Invocation, service: str, words: tuple[str, ...]) -> None:
    """Open a prompt on a Redis service, or run one command.

    It is a small prompt of dbkit's own, since no Redis client is needed for anything else.

    \b
    Example:  dbkit redis-cli cart HGETALL 'cart:{42}'
    \b
    Exit codes: 0 done · 1 the server refused the command · 2 the service is on PostgreSQL
    """
    if call.project.service(service).engine != "redis":
        raise ConfigurationError(f"{service!r} lives on PostgreSQL", hint=f"dbkit psql {service}")
    from dbkit.redis.connect import Store

    with call.reach_one(service) as place:
        assert isinstance(place, Store)  # noqa: S101 its engine was asked above
        with place.connect() as client:
            if words:
                raise click.exceptions.Exit(0 if _run(client, list(words)) else 1)
            _prompt(client, service)


def _prompt(client: redis.Redis, service: str) -> None:
    import shlex
    import sys

    if sys.stdin.isatty():
        import readline  # noqa: F401 line editing and history for input()
    while True:
        try:
            line = input(f"{service}> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        try:
            words = shlex.split(line)
        except ValueError as exc:
            click.echo(f"(error) {exc}", err=True)
            continue
        if words and words[0].lower() in {"quit", "exit"}:
            return
        if words:
            _run(client, words)


def _run(client: redis.Redis, words: list[str]) -> bool:
    import redis as driver

    try:
        answer = _of_cluster(client, words) if isinstance(client, driver.RedisCluster) else _as_sent(client, words)
    except driver.RedisError as exc:
        click.echo(f"(error) {exc}", err=True)
        return False
    click.echo(_shown(answer))
    return True


def _as_sent(client: redis.Redis, words: list[str]) -> object:
    """Return the answer as the server gives it, without what the driver makes of it."""
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*words)  # type: ignore[no-untyped-call]
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


def _of_cluster(client: redis.RedisCluster, words: list[str]) -> object:
    """Return the answer of the node that has the key. Users are not replicated: ACL goes to every node, replicas too."""
    if words[0].lower() != "acl":
        return client.execute_command(*words)  # type: ignore[no-untyped-call]
    answers: dict[str, object] = client.execute_command(*words, target_nodes=client.ALL_NODES)  # type: ignore[no-untyped-call]
    first, *others = answers.values()
    return first if all(answer == first for answer in others) else answers


def _shown(answer: object, indent: str = "") -> str:
    """Write an answer as redis-cli does."""
    if isinstance(answer, dict):
        answer = [item for pair in answer.items() for item in pair]
    match answer:
        case None:
            return "(nil)"
        case bool() | int():
            return f"(integer) {int(answer)}"
        case list() | tuple() | set():
            items = list(answer)
            if not items:
                return "(empty array)"
            return f"\n{indent}".join(f"{n}) {_shown(item, indent + '   ')}" for n, item in enumerate(items, 1))
        case _:
            return str(answer)
