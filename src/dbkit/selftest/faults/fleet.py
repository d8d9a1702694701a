"""Many targets of one service."""

from __future__ import annotations

import json

from dbkit.selftest.arena import PROJECT
from dbkit.selftest.fault import expect, expect_in, fault
from dbkit.selftest.trial import SERVICE, Trial

TENANTS = 12
BAD = (5, 9)  # the first has something in the way, the second is not there


@fault(
    49, "one of twelve tenants fails, one can't be reached", "the others are done, the two are named, and a second run does only those two"
)
def tenants(trial: Trial) -> None:
    names = [trial.arena.new_name("tenant") for _ in range(TENANTS)]
    migrator = f"{PROJECT}_{SERVICE}_migrator"
    with trial.arena.connect("postgres") as connection:
        for number, name in enumerate(names):
            if number != BAD[1]:
                connection.execute(f'CREATE DATABASE "{name}" OWNER {PROJECT}_{SERVICE}_owner'.encode())
    with trial.arena.connect(names[BAD[0]]) as connection:
        connection.execute(f"CREATE SCHEMA main AUTHORIZATION {PROJECT}_{SERVICE}_owner; CREATE TABLE main.a ()".encode())
    urls = json.dumps([trial.arena.conninfo(name, migrator) for name in names])
    trial.manifest(f"[environments.here.services.{SERVICE}]\ntargets = {{ urls = {urls} }}\n")
    trial.table("0001_a")
    outcome = trial.run("migrate", "--jobs", "4")
    expect(outcome.code, 1, f"the exit code ({outcome.text.strip()[-300:]})")
    done = [name for name in names if name not in {names[number] for number in BAD} and _has_table(trial, name)]
    expect(len(done), TENANTS - len(BAD), "tenants that are done")
    for number in BAD:
        expect_in(names[number], outcome.text, "the tenants that are named")
    with trial.arena.connect("postgres") as connection:
        connection.execute(f'CREATE DATABASE "{names[BAD[1]]}" OWNER {PROJECT}_{SERVICE}_owner'.encode())
    with trial.arena.connect(names[BAD[0]]) as connection:
        connection.execute(b"DROP TABLE main.a")
    trial.run("migrate", "--resume", code=0)
    expect([name for name in names if not _has_table(trial, name)], [], "tenants that lack the table at the end")


def _has_table(trial: Trial, database: str) -> bool:
    with trial.arena.connect(database) as connection:
        row = connection.execute(b"SELECT to_regclass('main.a') IS NOT NULL").fetchone()
    return bool(row and row[0])
