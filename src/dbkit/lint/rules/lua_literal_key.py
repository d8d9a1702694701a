import re
from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua import place, without_comments
from dbkit.lint.rules import Rule

# Commands whose first argument is a key, as scripts use them.
COMMANDS = "|".join(
    (
        *("get", "set", "del", "unlink", "exists", "expire", "pexpire", "expireat", "persist", "ttl", "pttl", "type"),
        *("incr", "incrby", "decr", "decrby", "append", "getdel", "getex", "setex", "setnx", "psetex", "strlen"),
        *("hget", "hset", "hsetnx", "hdel", "hgetall", "hmget", "hmset", "hexists", "hincrby", "hkeys", "hvals", "hlen"),
        *("lpush", "rpush", "lpop", "rpop", "lrange", "llen", "ltrim", "lrem", "sadd", "srem", "smembers", "sismember", "scard", "spop"),
        *("zadd", "zrem", "zrange", "zrangebyscore", "zscore", "zcard", "zincrby", "xadd", "xrange", "xlen", "xtrim", "pfadd", "pfcount"),
    )
)
_CALL = re.compile(rf"(?i)\bp?call[ \t]*\([ \t]*[\"']({COMMANDS})[\"'][ \t]*,[ \t]*([\"'])(.*?)\2")


def _look(text: str) -> Iterator[Hit]:
    code = without_comments(text)
    for match in _CALL.finditer(code):
        line, column = place(code, match.start(3))
        yield Hit(line, f"the key {match[3]!r} is written into the script: pass it in KEYS", column - 1)


RULE = Rule(
    level="warning",
    summary="A script touches the keys of KEYS only.",
    why="The server finds the node, and checks the rights, by KEYS; a key that is made up inside may be another node's.",
    bad='return redis.call("GET", "cart:" .. ARGV[1])\n',
    good='return redis.call("GET", KEYS[1])\n',
    lua=_look,
)
