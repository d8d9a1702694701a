"""Which functions make and change an object of each kind, in the order in which kinds are made where nothing else decides."""

from __future__ import annotations

from collections.abc import Mapping

from dbkit.verify.repair import access, columns, database, parts, relations, routines, types
from dbkit.verify.repair.step import Alter, Create

KINDS: Mapping[str, tuple[Create, Alter]] = {
    "schema": (database.create_schema, routines.alter_nothing),
    "extension": (database.create_extension, routines.alter_nothing),
    "default privileges": (access.create_default, access.alter_default),
    "collation": (database.create_by_definition, routines.alter_nothing),
    "enum": (types.create, types.alter_enum),
    "domain": (types.create, types.alter_domain),
    "composite": (types.create, types.alter_composite),
    "range": (types.create, routines.alter_nothing),
    "sequence": (relations.create_sequence, relations.alter_sequence),
    "function": (routines.create, routines.alter),
    "procedure": (routines.create, routines.alter),
    "aggregate": (routines.create_aggregate, routines.alter_nothing),
    "operator": (routines.create_operator, routines.alter_nothing),
    "operator family": (routines.create_class, routines.alter_nothing),
    "operator class": (routines.create_class, routines.alter_nothing),
    "cast": (routines.create_cast, routines.alter_nothing),
    "conversion": (database.create_conversion, routines.alter_nothing),
    "text search dictionary": (database.create_by_definition, database.alter_dictionary),
    "text search configuration": (database.create_configuration, database.alter_configuration),
    "server": (database.create_server, database.alter_server),
    "table": (relations.create_table, relations.alter_table),
    "foreign table": (relations.create_table, relations.alter_table),
    "column": (columns.create, columns.alter),
    "constraint": (parts.create_constraint, parts.alter_constraint),
    "index": (parts.create_index, parts.alter_index),
    "statistics": (parts.create_statistics, parts.alter_statistics),
    "view": (relations.create_view, relations.alter_view),
    "materialized view": (relations.create_view, relations.alter_view),
    "trigger": (parts.create_trigger, parts.alter_switch),
    "policy": (parts.create_policy, routines.alter_nothing),
    "rule": (parts.create_rule, parts.alter_switch),
    "publication": (database.create_publication, database.alter_publication),
    "event trigger": (database.create_event_trigger, database.alter_event_trigger),
}
RANK = {kind: place for place, kind in enumerate(KINDS)}
TYPES = frozenset({"enum", "domain", "composite", "range"})
