"""What belongs to a table: constraints, indexes, statistics, triggers, policies, rules."""

from __future__ import annotations

from dbkit.postgres.objects import Object
from dbkit.verify.repair import access
from dbkit.verify.repair.names import changed_settings, named, qualified, quoted, relation, setting
from dbkit.verify.repair.step import Sides, Step

NOT_VALID = " NOT VALID"


def create_constraint(constraint: Object, sides: Sides) -> list[Step]:
    """Add the constraint."""
    details, name = constraint.details, quoted(constraint.name)
    steps = [Step(f"ALTER TABLE {relation(constraint)} ADD CONSTRAINT {name} {details['definition']}")]
    if details.get("options"):
        steps.append(Step(f"ALTER INDEX {quoted(constraint.schema)}.{name} SET ({setting(details['options'])})"))
    return steps + _placed(constraint) + access.of_new(constraint, sides)


def alter_constraint(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change one property of a constraint."""
    del sides
    due, there = expected.details.get(name), found.details.get(name)
    if name == "definition" and there == f"{due}{NOT_VALID}":
        return [Step(f"ALTER TABLE {relation(expected)} VALIDATE CONSTRAINT {quoted(expected.name)}")]
    return _alter_index(expected, name, due, there)


def create_index(index: Object, sides: Sides) -> list[Step]:
    """Build the index."""
    details = index.details
    unique = "UNIQUE " if details.get("unique") else ""
    steps = [Step(f"CREATE {unique}INDEX {quoted(index.name)} ON {relation(index)} USING {details['definition']}")]
    steps += [_statistics(index, column, target) for column, target in (details.get("statistics") or {}).items()]
    return steps + _placed(index) + access.of_new(index, sides)


def alter_index(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change one property of an index; another definition is another index."""
    del sides
    due, there = expected.details.get(name), found.details.get(name)
    if name == "statistics":
        targets = {**dict.fromkeys(there or {}, -1), **(due or {})}
        return [_statistics(expected, column, target) for column, target in targets.items() if (there or {}).get(column) != target]
    return _alter_index(expected, name, due, there)


def _alter_index(thing: Object, name: str, due: object, there: object) -> list[Step] | None:
    index = f"{quoted(thing.schema)}.{quoted(thing.name)}"
    match name:
        case "clustered":
            return [Step(f"ALTER TABLE {relation(thing)} " + (f"CLUSTER ON {quoted(thing.name)}" if due else "SET WITHOUT CLUSTER"))]
        case "tablespace":
            return [Step(f"ALTER INDEX {index} SET TABLESPACE {quoted(str(due or 'pg_default'))}")]
        case "options":
            before, now = (list(side) if isinstance(side, list) else [] for side in (there, due))
            return [Step(f"ALTER INDEX {index} {action}") for action in changed_settings(now, before)]
        case _:
            return None


def _placed(thing: Object) -> list[Step]:
    return [
        step
        for name in ("clustered", "tablespace")
        if thing.details.get(name)
        for step in _alter_index(thing, name, thing.details[name], None) or ()
    ]


def _statistics(index: Object, column: str, target: int) -> Step:
    return Step(f"ALTER INDEX {qualified(index)} ALTER COLUMN {column} SET STATISTICS {target}")


def create_statistics(statistics: Object, sides: Sides) -> list[Step]:
    """Make the statistics object."""
    steps = [Step(statistics.details["definition"])]
    if "target" in statistics.details:
        steps.append(Step(f"ALTER {named(statistics)} SET STATISTICS {statistics.details['target']}"))
    return steps + access.of_new(statistics, sides)


def alter_statistics(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Change the target; another definition is another object."""
    del found, sides
    return [Step(f"ALTER {named(expected)} SET STATISTICS {expected.details.get('target', -1)}")] if name == "target" else None


def create_trigger(trigger: Object, sides: Sides) -> list[Step]:
    """Make the trigger, as enabled as it should be."""
    text = trigger.details["definition"].replace("{relation}", relation(trigger))
    return [Step(text), *_enabled(trigger), *access.of_new(trigger, sides)]


def create_rule(rule: Object, sides: Sides) -> list[Step]:
    """Make the rule, as enabled as it should be."""
    return [Step(rule.details["definition"].rstrip(";")), *_enabled(rule), *access.of_new(rule, sides)]


def alter_switch(expected: Object, found: Object, name: str, sides: Sides) -> list[Step] | None:
    """Enable or disable a trigger or rule; another definition is another one."""
    del found, sides
    return [_switched(expected)] if name == "enabled" else None


def _enabled(thing: Object) -> list[Step]:
    return [] if thing.details["enabled"] == "ENABLE" else [_switched(thing)]


def _switched(thing: Object) -> Step:
    return Step(f"ALTER TABLE {relation(thing)} {thing.details['enabled']} {thing.kind.upper()} {quoted(thing.name)}")


def create_policy(policy: Object, sides: Sides) -> list[Step]:
    """Make the policy."""
    return [Step(f"CREATE {named(policy)} {policy.details['definition']}"), *access.of_new(policy, sides)]
