"""Connections to Redis and Valkey, and what a failure is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, DbkitError, UnreachableError
from dbkit.project.target import Target, mask

if TYPE_CHECKING:
    import redis

    from dbkit.redis.server import Server


# a key may be called by bytes that are no UTF-8
AS_TEXT: Any = {"decode_responses": True, "encoding_errors": "surrogateescape"}


@dataclass(frozen=True, slots=True)
class Store:
    """How to reach one service's Redis. `server` is the embedded one, running."""

    target: Target
    server: Server | None = None

    @property
    def service(self) -> str:
        return self.target.service

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def url(self) -> str:
        if self.server:
            return self.server.url
        assert self.target.url is not None  # noqa: S101 a target without a server has a URL
        return self.target.url

    @contextmanager
    def connect(self) -> Iterator[redis.Redis]:
        """Open a client and see that the server answers. Raises UnreachableError, without the password."""
        import redis as driver

        try:
            client = self.server.client() if self.server else open_client(self.url)
        except ValueError as exc:
            raise ConfigurationError(f"not a Redis URL: {mask(self.url)}", hint="redis://host:6379/0, rediss:// or unix:///path") from exc
        except driver.RedisError as exc:
            raise UnreachableError(
                f"can't reach {mask(self.url)}: {exc}",
                hint="is the server up, and does the URL name the right host, port and password?",
            ) from exc
        try:
            yield client
        except (driver.ConnectionError, driver.TimeoutError) as exc:
            raise UnreachableError(f"{mask(self.url)} went away: {exc}", hint="is the server up? run it again") from exc
        except driver.ResponseError as exc:
            raise DbkitError(f"the server refused: {exc}", hint=remedy(client, exc) or "ACL LOG may say more") from exc
        finally:
            client.close()


def open_client(url: str) -> redis.Redis:
    """Return a client of the server, or of the whole cluster that it belongs to; it has answered. Raises ValueError, RedisError."""
    import redis as driver

    client = driver.Redis.from_url(url, **AS_TEXT, socket_connect_timeout=10)
    try:
        is_cluster = client.info("cluster").get("cluster_enabled")
    except driver.exceptions.NoPermissionError:
        is_cluster = False
    if not is_cluster:
        return client
    client.close()
    # a cluster's client has a single one's commands; what belongs to no key it sends to every primary
    return driver.RedisCluster.from_url(url, **AS_TEXT, socket_connect_timeout=10)  # type: ignore[return-value]


def remedy(client: redis.Redis, refusal: Exception) -> str:
    """Return the ACL rule that would have allowed it; empty where the server refused for another reason."""
    import redis as driver

    from dbkit.redis.acl import allowing

    if not isinstance(refusal, driver.exceptions.NoPermissionError):
        return ""
    kwargs = {} if isinstance(client, driver.RedisCluster) else client.connection_pool.connection_kwargs
    return allowing(str(refusal), kwargs.get("username") or "USER")


def major_version(client: redis.Redis) -> int:
    """Return the major version of the Redis that the server is compatible with (Valkey 9 says 7)."""
    return int(str(client.info("server")["redis_version"]).partition(".")[0])


def product(client: redis.Redis) -> str:
    """Return `Valkey 9.1.2` or `Redis 7.0.15`."""
    info = client.info("server")
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"
