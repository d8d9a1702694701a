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


def user_of(project: Project, service: str) -> str:
    """Return the name of the application's user, as its role is called on PostgreSQL."""
    return project.role(service, "app")


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
