"""A script over every key of a pattern: SCAN on each primary, in bounded batches, paced, resumed where a run ended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from dbkit.errors import DbkitError, UnreachableError
from dbkit.redis.connect import major_version
from dbkit.redis.nodes import Primary, passing, primaries

if TYPE_CHECKING:
    import redis

    from dbkit.redis.headers import Header, Key
    from dbkit.redis.scripts import LuaScript

FIRST_BATCH, LARGEST_BATCH = 100, 5_000  # keys that one SCAN looks at
MOST_OPEN = 100  # found keys that one call of a script is given
WANTED = 0.01  # seconds that the server may be busy with a batch
BREATH = 1.0  # of a batch's time is left to the others after it
LARGEST_LAG = 32 * 1024 * 1024  # bytes that a replica may be behind
KEPT_EVERY = 0.25  # seconds between two cursors that are kept
PATIENCE = 60.0  # seconds without any progress while servers come and go


@dataclass(slots=True)
class Part:
    """How far one primary is. A cursor is worth nothing to another server, nor to this one after a restart."""

    run: str = ""
    cursor: int = 0
    is_done: bool = False
    found: int = 0
    sums: dict[str, int] = field(default_factory=dict)


Keep = Callable[[Mapping[str, str]], None]


def _stop(refusal: DbkitError) -> None:
    raise refusal


@dataclass(slots=True)
class Sweep:
    """One script over its keys. `keep` writes the cursors, `told` hears how many were found so far; `kept` is what was written before.

    What the script refuses ends the walk, unless `refused` takes it.
    """

    client: redis.Redis
    script: LuaScript
    rules: tuple[str, ...]
    keep: Keep
    told: Callable[[int], None]
    kept: Mapping[str, str]
    refused: Callable[[DbkitError], None] = _stop
    parts: dict[str, Part] = field(default_factory=dict)
    _size: int = FIRST_BATCH
    _last: float = field(default_factory=time.monotonic)

    def run(self) -> Part:
        """Walk until every primary that there is has been walked to its end; return the sums. Raises DbkitError.

        A failover may have lost what was written last, and moves no cursor: the new primary is walked from its beginning.
        """
        self.parts = {slots: Part(**json.loads(text)) for slots, text in self.kept.items() if slots != "work"}
        while True:
            try:
                servers = primaries(self.client)
                left = [server for server in servers if not self._part(server).is_done]
                if not left:
                    return self._total(servers)
                for server in left:
                    self._walk(server)
            except passing() as exc:
                if time.monotonic() - self._last > PATIENCE:
                    raise UnreachableError(
                        f"a server went away and none took its place: {exc}", hint="run it again: it goes on where it is"
                    ) from exc
                time.sleep(0.2)

    def _part(self, server: Primary) -> Part:
        part = self.parts.setdefault(server.slots, Part())
        if part.run != server.run:
            part.run, part.cursor, part.is_done, part.found = server.run, 0, False, 0
        return part

    def _total(self, servers: list[Primary]) -> Part:
        parts = [self.parts[server.slots] for server in servers]
        sums: dict[str, int] = {}
        for part in parts:
            for name, number in part.sums.items():
                sums[name] = sums.get(name, 0) + number
        return Part(found=sum(part.found for part in parts), sums=sums, is_done=True)

    def _walk(self, server: Primary) -> None:
        part, major = self._part(server), major_version(server.client)
        kept, looked = 0.0, time.monotonic()
        while not part.is_done:
            begun = time.monotonic()
            if begun - kept > KEPT_EVERY:
                self._keep(server, part)
                kept = begun
            cursor, found = scan(server.client, self.script.header, part.cursor, self._size)
            self._call(server, major, found, part)
            part.cursor, part.is_done, part.found = cursor, cursor == 0, part.found + len(found)
            self._last = time.monotonic()
            self._pace(server, self._last - begun, looked)
            self.told(sum(p.found for p in self.parts.values()))
        _replicated(server.client)
        self._keep(server, part)

    def _keep(self, server: Primary, part: Part) -> None:
        self.keep({server.slots: json.dumps(asdict(part))})

    def _call(self, server: Primary, major: int, found: list[str], part: Part) -> None:
        """Run the script for what was found, in one round trip."""
        import redis as driver

        calls = list(calls_of(self.script.header, found))
        if not calls:
            return
        pipeline = server.client.pipeline(transaction=False)
        pipeline.script_load(self.script.source(major))
        sha = self.script.sha(major)
        for keys in calls:
            pipeline.evalsha(sha, len(keys), *keys, *self.rules)
        _, *answers = pipeline.execute(raise_on_error=False)
        for keys, answer in zip(calls, answers, strict=True):
            if isinstance(answer, passing()):
                raise answer
            if isinstance(answer, driver.RedisError):
                self.refused(DbkitError(f"{self.script.name} refused {keys[0]}: {answer}", where=f"{self.script.path}:1"))
                continue
            fields = self.script.header.returns
            values = answer if len(fields) > 1 else [answer]
            for returned, value in zip(fields, values, strict=True):
                part.sums[returned.name] = part.sums.get(returned.name, 0) + int(value)

    def _pace(self, server: Primary, took: float, looked: float) -> None:
        """Size the next batch by the time of this one, and leave the server to the others for as long."""
        factor = min(max(WANTED / max(took, 1e-4), 0.5), 2.0)
        self._size = int(min(max(self._size * factor, 10), LARGEST_BATCH))
        time.sleep(min(took * BREATH, 1.0))
        if time.monotonic() - looked < 1.0:
            return
        while lag_of(server.client.info("replication")) > LARGEST_LAG:
            self.keep({})
            time.sleep(0.1)


def scan(client: redis.Redis, header: Header, cursor: int, count: int) -> tuple[int, list[str]]:
    """Return the next cursor and the keys of a batch that the script is for."""
    answer: Any = client.scan(cursor, match=glob_of(header.each), count=count)
    found = [name for name in answer[1] if any(key.shape.fullmatch(name) for key in header.each)]
    return int(answer[0]), found


def glob_of(keys: Iterable[Key]) -> str:
    """Return one pattern for SCAN that all of the keys match."""
    globs = [key.glob for key in keys]
    if len(globs) == 1:
        return globs[0]
    starts = zip(*(glob.partition("*")[0] for glob in globs), strict=False)
    return "".join(letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, starts)) + "*"


def calls_of(header: Header, found: Iterable[str]) -> Iterator[list[str]]:
    """Yield the KEYS of each call: one for each set of values of the fixed keys, with what was found of an open one."""
    fixed = [key for key in header.keys if not key.is_open]
    needed = list(dict.fromkeys(placeholder.name for key in fixed for placeholder in key.placeholders))
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in dict.fromkeys(found):
        for key in header.each:
            if matched := key.shape.fullmatch(name):
                group = groups.setdefault(tuple(matched[part] for part in needed), [])
                group += [name] if key.is_open else []
                break
    for values, opened in groups.items():
        given = dict(zip(needed, values, strict=True))
        names = [key.filled(given) for key in fixed]
        for start in range(0, max(len(opened), 1), MOST_OPEN):
            yield names + opened[start : start + MOST_OPEN]


def lag_of(replication: Mapping[str, Any]) -> int:
    """Return how many bytes the slowest replica is behind."""
    offset = int(replication.get("master_repl_offset", 0))
    replicas = [value for name, value in replication.items() if name.startswith("slave") and isinstance(value, dict)]
    return max((offset - int(replica.get("offset", offset)) for replica in replicas), default=0)


def _replicated(client: redis.Redis) -> None:
    """Wait a moment until the replicas have what was written: the one that takes over has it then."""
    replicas = int(client.info("replication").get("connected_slaves", 0))
    if replicas:
        client.wait(replicas, 1000)


@dataclass(frozen=True, slots=True)
class Sample:
    """How many keys a script is for; an estimate unless `is_exact`."""

    matching: int
    keys: int
    is_exact: bool


def sample(client: redis.Redis, header: Header, limit: int = 20_000) -> Sample:
    """Count the keys that match, looking at no more than `limit` on each primary. Writes nothing."""
    matching, keys, is_exact = 0.0, 0, True
    for server in primaries(client):
        size = int(server.client.dbsize())
        cursor = looked = seen = 0
        while True:
            cursor, found = scan(server.client, header, cursor, 1000)
            looked, seen = looked + 1000, seen + len(found)
            if cursor == 0 or looked >= limit:
                break
        is_exact = is_exact and cursor == 0
        matching += seen if cursor == 0 else seen * size / looked
        keys += size
    return Sample(round(matching), keys, is_exact)
