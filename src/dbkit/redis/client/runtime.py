"""What a generated client begins with; its scripts, errors, calls and methods follow."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, Protocol, TypeVar

from redis.exceptions import NoScriptError, ResponseError

T = TypeVar("T")


class ScriptError(ResponseError):
    """A script refused a call, and wrote nothing."""

    code = ""


REFUSALS: dict[str, type[ScriptError]] = {}


@dataclass(frozen=True, slots=True)
class Script:
    """A script as both kinds of server know it: `first_line` is for those that have functions (Redis 7, Valkey)."""

    name: str
    first_line: str
    body: str
    sha: str
    old_sha: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A call that has not been sent: what it sends, and how its answer is read."""

    script: Script
    keys: tuple[str, ...]
    arguments: tuple[str, ...]
    answer: Callable[[Any], T]

    @property
    def values(self) -> tuple[str, ...]:
        return (*self.keys, *self.arguments, *self.script.rules)


class Client(Protocol):
    """Redis or RedisCluster of redis-py, or their asyncio twins."""

    def evalsha(self, sha: str, numkeys: int, /, *keys_and_args: Any) -> Any: ...
    def eval(self, script: str, numkeys: int, /, *keys_and_args: Any) -> Any: ...
    def fcall(self, function: str, numkeys: int, /, *keys_and_args: Any) -> Any: ...
    def pipeline(self, transaction: Any = ...) -> Any: ...


class Scripts:
    """Calls over a client. With `functions`, the library is called that `dbkit migrate` loaded; else the scripts, by EVALSHA."""

    def __init__(self, client: Client, *, functions: bool = False) -> None:
        self._client = client
        self._functions = functions
        self._is_old = False

    def run(self, call: Call[T]) -> T:
        """Send one call. A script that the server has forgotten is sent along."""
        try:
            return call.answer(self._send(call))
        except ResponseError as error:
            raise _refusal(error) from error

    def run_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send all in one go; each answer stands in its place, or the error where a call was refused."""
        with self._client.pipeline(transaction=False) as pipeline:
            for call in calls:
                _queue(pipeline, call, functions=self._functions, is_old=self._is_old)
            answers = pipeline.execute(raise_on_error=False)
        if not self._is_old and any(map(_is_unknown_line, answers)):  # nothing has run: the server is older than `#!lua`
            self._is_old = True
            return self.run_all(calls)
        return [_read(call, answer) for call, answer in zip(calls, answers, strict=True)]

    def _send(self, call: Call[Any]) -> Any:
        count = len(call.keys)
        if self._functions:
            return self._client.fcall(call.script.name, count, *call.values)
        try:
            return self._client.evalsha(_sha(call.script, is_old=self._is_old), count, *call.values)
        except NoScriptError:
            pass
        try:
            return self._client.eval(_source(call.script, is_old=self._is_old), count, *call.values)
        except ResponseError as error:
            if self._is_old or not _is_unknown_line(error):
                raise
        self._is_old = True
        return self._send(call)


class AsyncScripts:
    """Calls over a client of redis.asyncio. With `functions`, the library is called; else the scripts, by EVALSHA."""

    def __init__(self, client: Client, *, functions: bool = False) -> None:
        self._client = client
        self._functions = functions
        self._is_old = False

    async def run(self, call: Call[T]) -> T:
        """Send one call. A script that the server has forgotten is sent along."""
        try:
            return call.answer(await self._send(call))
        except ResponseError as error:
            raise _refusal(error) from error

    async def run_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send all in one go; each answer stands in its place, or the error where a call was refused."""
        async with self._client.pipeline(transaction=False) as pipeline:
            for call in calls:
                _queue(pipeline, call, functions=self._functions, is_old=self._is_old)
            answers = await pipeline.execute(raise_on_error=False)
        if not self._is_old and any(map(_is_unknown_line, answers)):  # nothing has run: the server is older than `#!lua`
            self._is_old = True
            return await self.run_all(calls)
        return [_read(call, answer) for call, answer in zip(calls, answers, strict=True)]

    async def _send(self, call: Call[Any]) -> Any:
        count = len(call.keys)
        if self._functions:
            return await self._client.fcall(call.script.name, count, *call.values)
        try:
            return await self._client.evalsha(_sha(call.script, is_old=self._is_old), count, *call.values)
        except NoScriptError:
            pass
        try:
            return await self._client.eval(_source(call.script, is_old=self._is_old), count, *call.values)
        except ResponseError as error:
            if self._is_old or not _is_unknown_line(error):
                raise
        self._is_old = True
        return await self._send(call)


def _source(script: Script, *, is_old: bool) -> str:
    return script.body if is_old else script.first_line + script.body


def _sha(script: Script, *, is_old: bool) -> str:
    return script.old_sha if is_old else script.sha


def _queue(pipeline: Any, call: Call[Any], *, functions: bool, is_old: bool) -> None:
    """Add a call to a pipeline, whole: nobody could send a forgotten script in the middle of one."""
    if functions:
        pipeline.fcall(call.script.name, len(call.keys), *call.values)
    else:
        # not pipeline.eval(), which a cluster's pipeline of redis-py does not have
        pipeline.execute_command("EVAL", _source(call.script, is_old=is_old), len(call.keys), *call.values)


def _is_unknown_line(answer: object) -> bool:
    return isinstance(answer, ResponseError) and "compiling script" in str(answer)


def _read(call: Call[Any], answer: Any) -> Any:
    if isinstance(answer, ResponseError):
        return _refusal(answer)
    return answer if isinstance(answer, Exception) else call.answer(answer)


def _refusal(error: ResponseError) -> ResponseError:
    code, _, message = str(error).partition(" ")
    return REFUSALS[code](message) if code in REFUSALS else error


# What goes into keys and arguments


def _tag(value: str, name: str) -> str:
    """Return a part of a hash tag: one with a brace, or none, would put the key into another slot."""
    if not value or "{" in value or "}" in value:
        raise ValueError(f"{name} is empty or holds a brace: {value!r}")
    return value


def _day(value: date | None) -> str:
    return (value or datetime.now(UTC).date()).isoformat()


def _rows(rows: Sequence[tuple[Any, ...]]) -> str:
    return json.dumps([list(row) for row in rows], ensure_ascii=False, separators=(",", ":"))


def _optional(value: Any) -> str:
    return "" if value is None else str(value)


# What comes back


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _flag(value: Any) -> bool:
    return bool(int(value))


def _nothing(value: Any) -> None:
    del value


def _or_none(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value in {None, b"", ""} else read(value)
