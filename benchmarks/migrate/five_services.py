"""The reference shop, four databases and a Redis: a run with nothing to do, and status, beside five runs of dbmate"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import measure
import peers
from measure import timed

from dbkit.postgres.roles import prepare_cluster
from dbkit.postgres.server import Server
from dbkit.project.manifest import find_project
from dbkit.redis import server as valkey
from dbkit.redis.throwaway import throwaway_redis

SERVICES = ("product", "order", "payment", "inventory")


def main() -> None:
    """Bring the shop up to date on servers that run, then ask again and again."""
    options = measure.options(__doc__, rounds=9)
    with tempfile.TemporaryDirectory() as folder, measure.server() as server, throwaway_redis() as store:
        root = Path(folder)
        dbkit, shop, environment = peers.script("dbkit"), str(root / "shop"), addresses(server, store)
        subprocess.run([dbkit, "init", shop, "--template", "shop"], check=True, stdout=subprocess.DEVNULL)
        prepare_cluster(server.conninfo("postgres"), find_project(root / "shop"), list(SERVICES))
        timed([dbkit, "--project", shop, "migrate"], environment=environment)
        programs = {
            "python, import psycopg": lambda _: timed([sys.executable, "-c", "import psycopg"]),
            "dbkit migrate": lambda _: timed([dbkit, "--project", shop, "migrate"], environment=environment),
            "dbkit status": lambda _: timed([dbkit, "--project", shop, "status"], environment=environment),
        }
        if peers.dbmate_program():
            peers.write_projects(root / "plain", {"00001_t": ("CREATE TABLE t (id bigint);\n", "DROP TABLE t;\n")})
            commands = [peers.dbmate(root / "plain", server, measure.database(server, f"dbmate_{n}")) for n in range(5)]
            timed(*commands)
            programs = {"dbmate, five times": lambda _: timed(*commands), **programs}
        asked = measure.alternate(options.rounds, programs)
    if "dbmate, five times" not in asked:
        raise SystemExit("not run: dbmate is not here, and npm, which brings it, neither")
    measure.table("nothing to do in five services", asked, "dbmate, five times")
    for command in ("dbkit migrate", "dbkit status"):
        ratio = measure.ratio(asked, command, "dbmate, five times")
        measure.limit(f"{command}, nothing to do in five services, wall, to five dbmates", ratio, 1)


def addresses(server: Server, store: valkey.Server) -> dict[str, str]:
    """Return the variables that say where the services are."""
    found = {f"DBKIT_{name.upper()}_URL": f"postgresql:///{name}?host={server.sockets}&user=shop_{name}_migrator" for name in SERVICES}
    return found | {"DBKIT_CART_URL": store.url}


if __name__ == "__main__":
    main()
