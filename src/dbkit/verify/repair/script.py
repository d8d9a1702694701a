"""A repair as text: one script, one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from dbkit.verify.repair.names import quoted
from dbkit.verify.repair.step import Step, When


def script(steps: Iterable[Step], owner: str, session: str) -> str:
    """Return the whole script for psql; `session` is who runs it: where that is not the owner, it becomes the owner."""
    every = list(dict.fromkeys(steps))
    if not every:
        return ""
    by_phase = {when: [step for step in every if step.when == when] for when in When}
    become = [] if owner == session else [f"SET LOCAL ROLE {quoted(owner)};"]
    lines = [
        *_texts(by_phase[When.BEFORE]),
        "BEGIN;",
        "SET LOCAL search_path = '';",
        "SET LOCAL check_function_bodies = off;",
        *_texts(by_phase[When.SESSION]),
        *become,
        *_texts(by_phase[When.WORK] + by_phase[When.CLOSING]),
        *(["RESET ROLE;", *_texts(by_phase[When.AFTERWARDS])] if by_phase[When.AFTERWARDS] else []),
        "COMMIT;",
    ]
    return "\n".join(lines) + "\n"


def text(step: Step) -> str:
    """Return one statement with its semicolon, behind a line that says which data it takes away; or why there is none."""
    if step.by_hand:
        return f"-- by hand: {step.by_hand}"
    return (f"-- loses data: {step.loses}\n" if step.loses else "") + f"{step.sql};"


def _texts(steps: Iterable[Step]) -> list[str]:
    return [text(step) for step in steps]
