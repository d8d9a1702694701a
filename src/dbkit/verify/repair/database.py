"""Schemas, and what stands beside tables: extensions, event triggers, publications, servers, collations, conversions, text search."""

from __future__ import annotations

import re

from dbkit.postgres.objects import Object
from dbkit.verify.repair import access
from dbkit.verify.repair.names import changed_foreign_options, foreign_options, literal, named, quoted
from dbkit.verify.repair.step import Sides, Step, When


def create_schema(schema: Object, sides: Sides) -> list[Step]:
    """Make the schema."""
    return [Step(f"CREATE {named(schema)}"), *access.of_new(schema, sides)]


def create_extension(extension: Object, sides: Sides) -> list[Step]:
    """Install the extension where it should be; who may do that is the server's business."""
    text = f"CREATE {named(extension)} SCHEMA {quoted(extension.schema)}"
    return [Step(text), *access.of_new(extension, sides)]


def create_event_trigger(trigger: Object, sides: Sides) -> list[Step]:
    """Make the event trigger, which takes a superuser."""
    del sides
    steps = [Step(f"CREATE {named(trigger)} {trigger.details['definition']}", when=When.AFTERWARDS)]
    if trigger.details["enabled"] != "ENABLE":
        steps.append(Step(f"ALTER {named(trigger)} {trigger.details['enabled']}", when=When.AFTERWARDS))
    if trigger.details.get("comment"):
        steps.append(Step(access.comment(trigger).sql, when=When.AFTERWARDS))
    return steps + access.owner(trigger, When.AFTERWARDS)


def alter_event_trigger(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Enable or disable it; another definition is another one."""
    del found, sides
    return [Step(f"ALTER {named(expected)} {expected.details['enabled']}", when=When.SESSION)] if name == "enabled" else None


def create_publication(publication: Object, sides: Sides) -> list[Step]:
    """Make the publication."""
    details = publication.details
    parts = ", ".join(map(_published, details["tables"]))
    options = f"publish = {literal(details['publish'])}, publish_via_partition_root = {str(details['via_root']).lower()}"
    return [Step(f"CREATE {named(publication)} FOR {parts} WITH ({options})"), *access.of_new(publication, sides)]


def alter_publication(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change what is published, and how; tables of other schemas stay in."""
    del sides
    due, there = expected.details.get(name), found.details.get(name)
    head = f"ALTER {named(expected)}"
    match name:
        case "tables":
            gone = [re.match(r'(?:TABLES IN SCHEMA )?(?:"[^"]*"|[^ "])+', part) for part in there or () if part not in (due or ())]
            dropped = [Step(f"{head} DROP {_published(part[0])}") for part in gone if part]
            return dropped + [Step(f"{head} ADD {_published(part)}") for part in due or () if part not in (there or ())]
        case "publish":
            return [Step(f"{head} SET (publish = {literal(str(due))})")]
        case "via_root":
            return [Step(f"{head} SET (publish_via_partition_root = {str(due).lower()})")]
        case _:
            return None


def _published(part: str) -> str:
    return part if part.startswith("TABLES IN SCHEMA ") else f"TABLE {part}"


def create_server(server: Object, sides: Sides) -> list[Step]:
    """Make the foreign server; who logs in there, and with what password, is not in the catalog that we read."""
    options = f" {foreign_options(server.details['foreign_options'])}" if server.details.get("foreign_options") else ""
    return [Step(f"CREATE {named(server)} {server.details['definition']}{options}"), *access.of_new(server, sides)]


def alter_server(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change the options."""
    del sides
    if name != "foreign_options":
        return None
    return [Step(f"ALTER {named(expected)} {changed_foreign_options(expected.details.get(name), found.details.get(name))}")]


def create_by_definition(thing: Object, sides: Sides) -> list[Step]:
    """Make a collation or a text search dictionary."""
    return [Step(f"CREATE {named(thing)} ({thing.details['definition']})"), *access.of_new(thing, sides)]


def create_conversion(conversion: Object, sides: Sides) -> list[Step]:
    """Make a conversion between encodings."""
    by_default = "DEFAULT " if conversion.details.get("by_default") else ""
    return [Step(f"CREATE {by_default}{named(conversion)} {conversion.details['definition']}"), *access.of_new(conversion, sides)]


def create_configuration(configuration: Object, sides: Sides) -> list[Step]:
    """Make a text search configuration with its mappings."""
    steps = [Step(f"CREATE {named(configuration)} ({configuration.details['definition']})")]
    steps += [_mapping(configuration, "ADD", token, to) for token, to in sorted((configuration.details.get("mappings") or {}).items())]
    return steps + access.of_new(configuration, sides)


def alter_configuration(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change the mappings; another parser is another configuration."""
    del sides
    if name != "mappings":
        return None
    due, there = expected.details.get(name) or {}, found.details.get(name) or {}
    gone = [Step(f"ALTER {named(expected)} DROP MAPPING FOR {token}") for token in sorted(there) if token not in due]
    return gone + [
        _mapping(expected, "ALTER" if token in there else "ADD", token, due[token])
        for token in sorted(due)
        if there.get(token) != due[token]
    ]


def _mapping(configuration: Object, action: str, token: str, dictionaries: str) -> Step:
    return Step(f"ALTER {named(configuration)} {action} MAPPING FOR {token} WITH {dictionaries}")


def alter_dictionary(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change the options; another template is another dictionary."""
    del sides
    due, there = (_dictionary(side.details["definition"]) for side in (expected, found))
    if name != "definition" or due[0] != there[0]:
        return None
    gone = [option for option in there[1] if option not in due[1]]
    changes = [f"{option} = {value}" for option, value in due[1].items()] + gone
    return [Step(f"ALTER {named(expected)} ({', '.join(changes)})")]


def _dictionary(definition: str) -> tuple[str, dict[str, str]]:
    template, _, options = definition.partition(", ")
    return template, dict(re.findall(r"(\w+) = ('(?:[^']|'')*')", options))
