"""A diagram of each service's tables, from the catalog of a migrated database: keys and references, partitions as their parent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

COLUMNS = """
SELECT
    c.relname::text,
    format_type(a.atttypid, NULL),
    a.attname::text,
    bool_or(k.contype = 'p') AS is_primary,
    bool_or(k.contype = 'f') AS is_foreign,
    bool_or(k.contype = 'u') AS is_unique
FROM pg_class AS c
INNER JOIN pg_constraint AS k ON c.oid = k.conrelid AND k.contype IN ('p', 'f', 'u') AND k.conparentid = 0
INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND a.attnum = ANY(k.conkey)
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname !~ '^_?yoyo'
GROUP BY c.oid, c.relname, a.attnum, a.attname, a.atttypid
ORDER BY c.relname, a.attnum
"""
REFERENCES = """
SELECT
    p.relname::text,
    c.relname::text,
    bool_or(NOT a.attnotnull) AS is_optional,
    EXISTS (
        SELECT FROM pg_constraint AS u WHERE u.conrelid = k.conrelid AND u.contype IN ('p', 'u') AND u.conkey <@ k.conkey
    ) AS is_single,
    string_agg(a.attname::text, ', ' ORDER BY array_position(k.conkey, a.attnum))
FROM pg_constraint AS k
INNER JOIN pg_class AS c ON k.conrelid = c.oid AND NOT c.relispartition
INNER JOIN pg_class AS p ON k.confrelid = p.oid AND p.relnamespace = c.relnamespace
INNER JOIN pg_attribute AS a ON k.conrelid = a.attrelid AND a.attnum = ANY(k.conkey)
WHERE k.contype = 'f' AND k.conparentid = 0 AND c.relnamespace = %(schema)s::regnamespace
GROUP BY k.oid, k.conrelid, k.conkey, k.conname, p.relname, c.relname
ORDER BY p.relname, c.relname, k.conname
"""
SHORT = {"timestamp with time zone": "timestamptz"}


def pages() -> dict[str, str]:
    """Migrate each service of the shop on a throw-away server; return its page by its path."""
    from dbkit.postgres.throwaway import throwaway_server
    from dbkit.project.manifest import Environment, find_project
    from dbkit.testing.plugin import Cluster

    project = find_project(ROOT)
    services = [name for name, service in project.manifest.services.items() if service.engine == "postgres"]
    found = {}
    with throwaway_server(Environment(server="embedded", postgres=18)) as server:
        cluster = Cluster(project, server)
        for service in services:
            schema = {"schema": project.schema(service)}
            made = cluster.copy(service)
            with made.connect(None) as connection:
                columns = connection.execute(COLUMNS.encode(), schema).fetchall()
                references = connection.execute(REFERENCES.encode(), schema).fetchall()
            cluster.drop(made)
            found[f"docs/shop/{service}.er.md"] = _page(service, columns, references)
    return found


def _page(service: str, columns: list[tuple[Any, ...]], references: list[tuple[Any, ...]]) -> str:
    lines = [
        f"# {service}: tables",
        "",
        "Made from the catalog by ci/generate_docs.py: the columns of keys and references, partitions as their parent.",
        f"What each table is for: [{service}.md]({service}.md).",
        "",
        "```mermaid",
        "erDiagram",
    ]
    for table in dict.fromkeys(row[0] for row in columns):
        lines.append(f"    {table} {{")
        for _, kind, name, *flags in (row for row in columns if row[0] == table):
            keys = ", ".join(key for key, is_set in zip(("PK", "FK", "UK"), flags, strict=True) if is_set)
            lines.append(f"        {SHORT.get(kind, kind).replace(' ', '_')} {name} {keys}")
        lines.append("    }")
    for parent, child, is_optional, is_single, names in references:
        lines.append(f'    {parent} {"|o" if is_optional else "||"}--{"o|" if is_single else "o{"} {child} : "{names}"')
    return "\n".join([*lines, "```", ""])
