"""The application's user of a Redis service: the commands that its scripts call, on the keys that their headers name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dbkit.redis.scripts import FUNCTIONS_SINCE, LuaScript

if TYPE_CHECKING:
    from dbkit.project.manifest import Project

# how a script is called; EVAL is for the server that has forgotten it, and may do no more than the commands below
CALLING = ("evalsha", "eval")
CALLING_FUNCTIONS = ("fcall", "fcall_ro", "evalsha_ro", "eval_ro")
# what a driver asks before the first call; a cluster's, where the slots are, and where one is that is moving
DRIVER = ("ping", "command", "cluster|slots", "readonly", "asking")


# what Redis 6.2 names by its first word only, and health asks
ASKED = {
    "cluster": "cluster|info +cluster|nodes",
    "config": "config|get",
    "memory": "memory|usage",
    "script": "script|exists",
    "slowlog": "slowlog|get",
}
DENIED = re.compile(r"run the '([^']+)' command( or its subcommand)?")


def user_of(project: Project, service: str) -> str:
    """Return the name of the application's user, as its role is called on PostgreSQL."""
    return project.role(service, "app")


def allowing(refusal: str, user: str) -> str:
    """Return the ACL SETUSER that allows what a server's NOPERM refused; empty where that says neither a command nor a key."""
    if denied := DENIED.search(refusal):
        name = ASKED.get(denied[1], denied[1]) if denied[2] else denied[1]
        return f"ACL SETUSER {user} +{name}"
    return f"ACL SETUSER {user} ~*" if "key" in refusal else ""


def app_user(project: Project, service: str, scripts: Sequence[LuaScript], major: int) -> list[str]:
    """Return the words of the ACL SETUSER that makes the user, or brings it up to date; its passwords stay as they are."""
    called = sorted({command.lower() for script in scripts for command in re.findall(r"""\bp?call\(\s*["'](\w+)""", script.body)})
    calling = CALLING + (CALLING_FUNCTIONS if major >= FUNCTIONS_SINCE else ())
    patterns = sorted({key.glob for script in scripts for key in script.header.keys})
    commands = [f"+{command}" for command in (*DRIVER, *calling, *called)]
    return [
        "ACL",
        "SETUSER",
        user_of(project, service),
        "on",
        "resetchannels",
        "resetkeys",
        "-@all",
        *commands,
        *(f"~{p}" for p in patterns),
    ]
