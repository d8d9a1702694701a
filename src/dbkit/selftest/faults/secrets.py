"""Passwords, which no output may hold."""

from __future__ import annotations

from dbkit.selftest.arena import CANARY, PROJECT
from dbkit.selftest.fault import NotSurvivedError, expect_in, fault
from dbkit.selftest.trial import SERVICE, Trial

USER = f"{PROJECT}_{SERVICE}_migrator"
URLS = (
    f"postgresql://{USER}:{CANARY}@127.0.0.1:1/x",  # nobody listens
    f"postgresql://{USER}:{CANARY}@no-such-host.invalid/x",
    f"host=127.0.0.1 port=1 user={USER} password={CANARY}",
    f"postgresql://{USER}:{CANARY}@x@127.0.0.1:1/x",  # not percent-encoded
    f"postgresql://{USER}:{CANARY}/x",
    f"postgresql://{USER}@127.0.0.1:1/x?password={CANARY}&application_name=x",
)
COMMANDS = (
    ("-vv", "migrate"),
    ("--format", "json", "migrate"),
    ("status",),
    ("verify", "main"),
    ("doctor",),
    ("url", "main"),
    ("health", "main"),
    ("rollback", "main"),
    ("unlock", "main"),
)


@fault(
    50,
    "the password in every URL of every run above, and in URLs that lead nowhere",
    "it is in no output, no journal, no process's arguments, and not in pg_stat_activity",
    last=True,
)
def passwords(trial: Trial) -> None:
    for number, url in enumerate(URLS):
        trial.manifest(url=url)
        for child in [trial.start(*command) for command in (COMMANDS if number == 0 else COMMANDS[:2])]:
            trial.ended(child)
    trial.manifest()
    trial.table("0001_a")
    trial.migration("0002_b", "CREATE TABLE main.b ();\nSELECT pg_sleep(1), 1 / 0;\n")
    child = trial.start("-vv", "migrate")
    while child.poll() is None:
        shown = trial.rows(
            "SELECT query, application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        _refuse(repr(shown), "pg_stat_activity")
        _refuse(trial.arguments(child), "the process's arguments")
    expect_in("division by zero", trial.ended(child).text, "what a failing run says")
    _refuse(repr(trial.rows("SELECT j::text FROM dbkit.journal AS j")), "the journal")
    for text in trial.arena.said:
        _refuse(text, f"one of {len(trial.arena.said)} outputs")


def _refuse(text: str, what: str) -> None:
    if CANARY in text:
        at = text.index(CANARY)
        raise NotSurvivedError(f"the password is in {what}: {text[max(at - 80, 0) : at]}***")
