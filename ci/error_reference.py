"""docs/errors.md: every error that the program can end with, read from the places that raise it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src/dbkit"
EXIT_CODES = {
    "DbkitError": 1,
    "ConfigurationError": 2,
    "ScriptSyntaxError": 2,
    "CommittedError": 1,
    "UsageError": 2,
    "UnreachableError": 3,
    "LockedError": 4,
    "InterruptedRunError": "130, 143",
}
SERVERS = {"server_error", "explain"}  # what wraps an error of PostgreSQL: `doing`, then the server's own words
# what a person was doing, by module or package; a package that is not here is called by its own first sentence
DOING = {
    "commands": "On the command line",
    "cli": "On the command line",
    "project": "Reading dbkit.toml",
    "project.state": "Running servers of our own",
    "source": "Reading source files",
    "postgres": "Reaching PostgreSQL, and its journal",
    "postgres.server": "Running servers of our own",
    "postgres.throwaway": "Running servers of our own",
    "redis": "Redis",
    "redis.server": "Running servers of our own",
    "migrate": "Migrating",
    "migrate.rollback": "Rolling back",
    "migrate.repair": "Repairing, adopting, unlocking",
    "migrate.baseline": "Repairing, adopting, unlocking",
    "migrate.unlock": "Repairing, adopting, unlocking",
    "routines": "Deploying routines",
    "lint": "Linting",
    "draft": "Writing migrations: new, renumber",
    "prove": "Proving: test, squash",
    "verify": "Verifying",
    "testing": "In tests",
}
PHRASES = {"_stray": "⟨file⟩ is {}, and is neither run nor skipped"}  # what a function returns a part of
VAGUE = {"id", "name", "path", "object", "message", "text", "shown"}  # attributes that say less than what they belong to


@dataclass(frozen=True, order=True)
class Entry:
    """One row: what is printed, the exit code, what to do."""

    message: str
    exit_code: str
    hint: str


def page() -> str:
    """Return docs/errors.md."""
    groups: dict[str, set[Entry]] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        for entry in entries(ast.parse(path.read_text(encoding="utf-8"))):
            groups.setdefault(_title(path), set()).add(entry)
    parts = [OPENING]
    for title in [*dict.fromkeys(DOING.values()), *sorted(groups.keys() - set(DOING.values()))]:
        if title in groups:
            parts += [f"## {title}\n", "| message | exit code | what to do |", "| --- | --- | --- |"]
            parts += [f"| {_cell(e.message)} | {e.exit_code} | {_prose(e.hint)} |" for e in sorted(groups[title])]
            parts.append("")
    return "\n".join([*parts, *_hinted_states(), *_own_states(), ""])


OPENING = """# Errors

Made from the source by ci/generate_docs.py; a test compares the two.
Search this page for a few words of the message; what stands in ⟨⟩ differs from case to case.

An error says what happened, where (the file and line of the source, not of its rendering), PostgreSQL's SQLSTATE, and what to do next.
With `--format json` it is the document's `error`: `message`, `where`, `sqlstate`, `hint`, `exit_code`.
[The runbooks](runbooks/README.md) go step by step through what needs more than a sentence.

| exit code | meaning |
| --- | --- |
| 0 | done, or nothing to do |
| 1 | it ran, and found or hit a problem |
| 2 | the command line, the manifest or a source file is wrong; nothing was changed |
| 3 | a target can't be reached |
| 4 | another run holds the lock |
| 130, 143 | interrupted by Ctrl-C or SIGTERM; the journal is true, and the next run goes on |
"""


def _title(path: Path) -> str:
    module = path.relative_to(SOURCES).with_suffix("").as_posix().replace("/", ".")
    package = module.partition(".")[0]
    if title := DOING.get(module) or DOING.get(package):
        return title
    init = SOURCES / package / "__init__.py"
    return (ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or package).partition("\n")[0].rstrip(".")


def entries(tree: ast.Module) -> Iterator[Entry]:
    """Yield what a module can end with."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_a_call(node, _around(node, functions))
    for function in functions:
        if function.returns and ast.unparse(function.returns) == "tuple[str, str] | None":
            yield from _of_an_objection(function)


def _around(call: ast.Call, functions: list[ast.FunctionDef]) -> ast.FunctionDef | None:
    """Return the innermost function that a call stands in."""
    return next((f for f in reversed(functions) if f.lineno <= call.lineno <= (f.end_lineno or 0)), None)


def message_of(call: ast.Call, tree: ast.Module) -> str:
    """Return the message of a call that makes an error."""
    return _text(call.args[0], _around(call, [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]))


def _of_a_call(call: ast.Call, function: ast.FunctionDef | None) -> Iterator[Entry]:
    name = ast.unparse(call.func).rpartition(".")[2]
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    hint = _text(given["hint"], function) if "hint" in given and name not in SERVERS else ""
    if name in EXIT_CODES and call.args:
        message = _text(call.args[0], function)
        if re.search("[a-z]", re.sub("⟨[^⟩]*⟩", "", message)):  # what only wraps another one stands where that is raised
            extra = _text(call.args[2], function) if name == "ScriptSyntaxError" and len(call.args) > 2 else ""
            yield Entry(message, str(EXIT_CODES[name]), hint or extra)
    elif name in SERVERS and "doing" in given:
        yield Entry(
            f"{_text(given['doing'], function)}: ⟨what PostgreSQL says⟩", "1", "the SQLSTATE and the server's own hint stand below it"
        )


def _of_an_objection(function: ast.FunctionDef) -> Iterator[Entry]:
    """Yield what a function objects to that returns a message and a hint."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            message, hint = (_text(part, function) for part in node.value.elts)
            yield Entry(PHRASES.get(function.name, "{}").format(message), "2", hint)


def _text(node: ast.expr, function: ast.FunctionDef | None) -> str:
    """Write down the text that an expression makes, with ⟨names⟩ where it is filled."""
    match node:
        case ast.Constant():
            return str(node.value or "")
        case ast.JoinedStr():
            return "".join(_text(part, function) for part in node.values)
        case ast.FormattedValue():
            return _filled(node.value)
        case ast.BinOp(op=ast.Add()):
            return _text(node.left, function) + _text(node.right, function)
        case ast.IfExp():
            return " / ".join(filter(None, (_text(node.body, function), _text(node.orelse, function))))
        case ast.BoolOp():
            return " / ".join(filter(None, (_text(value, function) for value in node.values)))
        case ast.Name() if function:
            found = [
                _text(assignment.value, None)
                for assignment in ast.walk(function)
                if isinstance(assignment, ast.Assign) and any(isinstance(t, ast.Name) and t.id == node.id for t in assignment.targets)
            ]
            return " / ".join(dict.fromkeys(found)) or _filled(node)
        case _:
            return _filled(node)


def _filled(node: ast.expr) -> str:
    """Name what is put into a message: ⟨migration⟩ for migration.id."""
    match node:
        case ast.Attribute(value=ast.Name(id="self")):
            return f"⟨{node.attr.replace('_', ' ')}⟩"
        case ast.Attribute() if node.attr in VAGUE and isinstance(node.value, ast.Name | ast.Attribute | ast.Subscript):
            return _filled(node.value)
        case ast.Attribute():
            return f"⟨{node.attr.strip('_').replace('_', ' ')}⟩"
        case ast.Name():
            return f"⟨{node.id.strip('_').replace('_', ' ')}⟩"
        case ast.Subscript():
            return _filled(node.value)
        case ast.Call() if ast.unparse(node.func) in {"len", "sorted", "str", "repr", "mask", "max"}:
            return _filled(node.args[0])
        case ast.Call(func=ast.Name(id="nearest")):
            return "⟨; did you mean …?⟩"
        case ast.Constant() | ast.IfExp() | ast.BoolOp() | ast.JoinedStr():
            return _text(node, None)
        case _:
            return "⟨…⟩"


def _cell(text: str) -> str:
    """Write a message as code in a table's cell: on one line, the bar escaped."""
    shown = " ".join(text.split()).replace("|", "\\|")
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def _prose(text: str) -> str:
    """Write a hint into a table's cell, its lines kept apart."""
    shown = "<br>".join(line.strip() for line in text.splitlines() if line.strip()).replace("|", "\\|")
    return "".join(part if part.startswith("`") else re.sub(r"([*_])", r"\\\1", part) for part in re.split(r"(`[^`]*`)", shown))


def _hinted_states() -> list[str]:
    """Return the table of PostgreSQL's SQLSTATEs for which dbkit has a hint of its own."""
    found: set[tuple[str, str]] = set()
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef) or node.name != "_hint":
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.Dict):
                    found |= {(_text(key, None), _text(hint, None)) for key, hint in zip(inner.keys, inner.values, strict=True) if key}
                if isinstance(inner, ast.If) and isinstance(inner.test, ast.Compare) and isinstance(inner.body[0], ast.Return):
                    found.add((_text(inner.test.comparators[0], None), _text(inner.body[0].value or inner.test, None)))
    return [
        "## SQLSTATEs of PostgreSQL that dbkit has a hint for",
        "",
        "| SQLSTATE | what to do |",
        "| --- | --- |",
        *(f"| {state} | {_prose(hint)} |" for state, hint in sorted(found)),
        "",
    ]


def _own_states() -> list[str]:
    """Return the table of the SQLSTATEs that the project's own SQL raises."""
    found: dict[str, set[tuple[str, str, str]]] = {}
    files = [*(ROOT / "schemas").rglob("*.j2"), *(ROOT / "migrations").rglob("*.j2"), *SOURCES.rglob("*.sql")]
    for path in files:
        text = path.read_text(encoding="utf-8")
        for code, message in re.findall(r"'(SH\d{3})'(?: AS code)?,\s*'\w+'(?: AS rule)?,\s*'((?:[^']|'')*)'", text):
            found.setdefault(code, set()).add((_owner(path), message.replace("''", "'"), ""))  # a violation, raised elsewhere
        for raised in re.findall(r"RAISE EXCEPTION USING(.*?);\n", text, re.DOTALL):
            code = re.search(r"ERRCODE\s*=\s*'(SH\d{3})'", raised)
            if code:
                found.setdefault(code[1], set()).add((_owner(path), _literal("MESSAGE", raised), _literal("HINT", raised)))
    rows = [
        f"| {code} | {owner} | {_cell(message)} | {_prose(hint)} |"
        for code, raised in sorted(found.items())
        for owner, message, hint in sorted(raised)
    ]
    return [
        "## SQLSTATEs of class SH",
        "",
        "What the shop's own functions, and dbkit's journal, raise. A program branches on the code; the service's page says when it comes.",
        "",
        "| SQLSTATE | raised by | message | what to do |",
        "| --- | --- | --- | --- |",
        *rows,
    ]


def _owner(path: Path) -> str:
    if SOURCES in path.parents:
        return "dbkit"
    service = path.relative_to(ROOT).parts[1]
    name = path.relative_to(ROOT).parts[2] if service == "_shared" else service
    if name == "macros.sql.j2":
        return "[every service](shop/ops.md#errors)"
    return f"[{name}](shop/{name}.md)" if (ROOT / f"docs/shop/{name}.md").exists() else name


def _literal(field: str, raised: str) -> str:
    """Return the literal of a field, its lines joined, with ⟨…⟩ where it is filled."""
    match = re.search(rf"{field}\s*=\s*(?:[\w.]+\(\s*)?((?:'(?:[^']|'')*'\s*)+)", raised)
    text = "".join(re.findall(r"'((?:[^']|'')*)'(?!')", match[1])) if match else ""
    return re.sub(r"%(?:\d\$)?[sIL]", "⟨…⟩", re.sub(r"\{\{ (\w+) \}\}", r"⟨\1⟩", text.replace("''", "'")))
