from collections.abc import Iterator

from dbkit.lint.finding import Hit
from dbkit.lint.lua.program import Lua
from dbkit.lint.rules import Rule


def _look(lua: Lua) -> Iterator[Hit]:
    keys = lua.header.keys if lua.header else ()
    if len(keys) < 2 and not any(key.is_open for key in keys):
        return
    for key in keys:
        if key.hash_tag is None:
            yield Hit(key.line, f"{key.pattern} has no hash tag: a cluster may keep it elsewhere than the other keys")
        elif key.hash_tag != keys[0].hash_tag and keys[0].hash_tag is not None:
            yield Hit(key.line, f"the hash tag of {key.pattern} is not that of {keys[0].pattern}")


RULE = Rule(
    level="warning",
    summary="All keys of a script are in one slot.",
    why="A cluster refuses a script whose keys are in several slots; a part in braces, the same in every key, puts them into one.",
    bad="""--[[
move: from one list to another
KEYS
  1 source      list:{<user_id>}
  2 target      list:{<other_id>}
  3 log         log:<user_id>
]]
return redis.call("RPOPLPUSH", KEYS[1], KEYS[2])
""",
    good="""--[[
move: from one list of a user to another
KEYS
  1 source      list:{<user_id>}:open
  2 target      list:{<user_id>}:done
]]
return redis.call("RPOPLPUSH", KEYS[1], KEYS[2])
""",
    lua=_look,
)
