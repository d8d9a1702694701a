"""The text of the module: what stands in runtime.py, and behind it what the headers say."""

from __future__ import annotations

import keyword
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dbkit.errors import ConfigurationError
from dbkit.redis.headers import Field, Key
from dbkit.redis.scripts import FUNCTIONS_SINCE, LuaScript, load_scripts

if TYPE_CHECKING:
    from dbkit.project.manifest import Project

TYPES = {"text": "str", "integer": "int", "flag": "bool"}
SHORT = 4  # what stands in one line
READERS = {"text": "_text", "integer": "int", "flag": "_flag"}


def generate(project: Project, service: str) -> str:
    """Return the module for a service's scripts."""
    rules = project.service(service).rules
    scripts = [Shape(script, service, script.rule_values(rules)) for script in load_scripts(project, service)]
    runtime = (Path(__file__).parent / "runtime.py").read_text(encoding="utf-8").partition('"""\n')[2].rstrip()
    about = f"The Redis scripts of {project.name}'s {service}, typed."
    head = f'"""{about} Made by `dbkit client {service}`: make it anew rather than edit it."""\n\n# ruff: noqa\n'
    parts = [
        head + runtime.replace("from typing import Any,", "from typing import Any, NamedTuple,", 1),
        *_errors(scripts, service),
        *(part for script in scripts for part in script.answers()),
        *(script.constant() for script in scripts),
        _class(f"{_camel(service)}Calls", "", "Calls that have not been sent, for `run_all`.", (script.call() for script in scripts)),
        _class(f"{_camel(service)}Scripts", "Scripts", f"Every script of {service}.", (script.method("") for script in scripts)),
        _class(
            f"Async{_camel(service)}Scripts",
            "AsyncScripts",
            f"Every script of {service}, awaited.",
            (script.method("a") for script in scripts),
        ),
    ]
    return "\n\n\n".join(parts) + "\n"


def _class(name: str, base: str, says: str, members: Iterable[str]) -> str:
    head = f"class {name}({base}):" if base else f"class {name}:"
    body = "\n\n".join([f'"""{says}"""', *members])
    return f"{head}\n{textwrap.indent(body, '    ')}"


def _errors(scripts: Sequence[Shape], service: str) -> Iterator[str]:
    says: dict[str, list[str]] = {}
    for script in scripts:
        for error in script.script.header.errors:
            told = says.setdefault(error.code, [])
            told += [error.says] if error.says not in told else []
    for code, told in says.items():
        yield f'class {_error(code, service)}(ScriptError):\n    """{_sentence("; ".join(told))}"""\n\n    code = "{code}"'
    if says:
        yield "REFUSALS.update({" + "".join(f'\n    "{code}": {_error(code, service)},' for code in says) + "\n})"


def _error(code: str, service: str) -> str:
    prefix = service.upper()
    rest = code.removeprefix(prefix)
    return f"{_camel(service) if rest != code else ''}{(rest or code).capitalize()}Error"


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.replace("-", "_").split("_"))


def _sentence(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"""', "'''").strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a caller gives."""

    name: str
    type: str
    default: str = ""

    @property
    def declared(self) -> str:
        return f"{self.name}: {self.type}{self.default}"


@dataclass(frozen=True)
class Shape:
    """A script as Python sees it."""

    script: LuaScript
    service: str
    rules: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.script.name

    # Types

    @property
    def returns(self) -> str:
        fields = self.script.header.returns
        if not fields:
            return "None"
        return self._type(fields[0]) if len(fields) == 1 else f"{_camel(self.name)}Result"

    def _row(self, field: Field) -> str:
        return f"{_camel(self.name)}{_camel(field.name.removesuffix('s'))}"

    def _type(self, field: Field) -> str:
        found = f"tuple[{self._row(field)}, ...]" if field.type == "list" else TYPES[field.type]
        return f"{found} | None" if field.is_optional else found

    def _reader(self, field: Field, value: str) -> str:
        if field.type == "list":
            columns = ", ".join(self._reader(column, f"row[{position}]") for position, column in enumerate(field.columns))
            return f"tuple({self._row(field)}({columns}) for row in {value})"
        reader = READERS[field.type]
        return f"_or_none({reader})({value})" if field.is_optional else f"{reader}({value})"

    def answers(self) -> Iterator[str]:
        """Yield the classes of the answer, and the function that reads it."""
        fields = self.script.header.returns
        for field in fields:
            if field.type == "list":
                yield self._members(f"class {self._row(field)}(NamedTuple):", f"A row of {self.name}'s {field.name}.", field.columns)
        if len(fields) > 1:
            head = f"@dataclass(frozen=True, slots=True)\nclass {self.returns}:"
            yield self._members(head, f"What {self.name} answers.", fields)
            read = "".join(f"\n        {self._reader(field, f'answer[{position}]')}," for position, field in enumerate(fields))
            yield f"def _{self.name}_result(answer: Any) -> {self.returns}:\n    return {self.returns}({read}\n    )"
        elif fields:
            yield f"def _{self.name}_result(answer: Any) -> {self.returns}:\n    return {self._reader(fields[0], 'answer')}"

    def _members(self, head: str, says: str, fields: Sequence[Field]) -> str:
        lines = [f"    {_safe(field.name)}: {self._type(field)}" + (f"  # {field.says}" if field.says else "") for field in fields]
        return "\n".join([head, f'    """{says}"""', "", *lines])

    # Parameters

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What the keys' patterns and ARGV want, each once; those with a default last."""
        found: dict[str, Parameter] = {}
        for field in self.script.header.arguments:
            name = _safe(field.name)
            rows = f"tuple[{', '.join(TYPES[column.type] for column in field.columns)}]"
            kind = f"Sequence[{rows}]" if field.type == "list" else TYPES[field.type]
            found[name] = Parameter(name, f"{kind} | None", " = None") if field.is_optional else Parameter(name, kind)
        keys: dict[str, Parameter] = {}
        for key in self.script.header.keys:
            own = self._own_placeholder(key) if key.is_open else None
            for placeholder in key.placeholders:
                name = _safe(placeholder.name)
                if placeholder.name == own:
                    keys[f"{name}s"] = Parameter(f"{name}s", f"Sequence[{'date' if placeholder.is_date else 'str'}]", " = ()")
                elif name not in found and name not in keys:
                    keys[name] = Parameter(name, "date | None", " = None") if placeholder.is_date else Parameter(name, "str")
        return tuple(sorted([*keys.values(), *found.values()], key=lambda parameter: bool(parameter.default)))

    def _own_placeholder(self, key: Key) -> str:
        shared = {placeholder.name for other in self.script.header.keys if not other.is_open for placeholder in other.placeholders}
        own = [placeholder.name for placeholder in key.placeholders if placeholder.name not in shared]
        if len(own) != 1:
            raise ConfigurationError(
                f"{key.pattern} stands for many keys, and does not say by what one differs from the next",
                where=f"{self.script.path}:{key.line}",
                hint="one <placeholder> that no other key has",
            )
        return own[0]

    def _signature(self, *first: str) -> str:
        given = [*first, *(["*"] if self.parameters else []), *(parameter.declared for parameter in self.parameters)]
        return "(" + "".join(f"\n    {one}," for one in given) + "\n)" if len(given) > SHORT else f"({', '.join(given)})"

    # Code

    def constant(self) -> str:
        """Return the script itself."""
        source, body = self.script.source(FUNCTIONS_SINCE), self.script.body
        fields = [
            f"name={self.name!r}",
            f"first_line={source.removesuffix(body)!r}",
            f"sha={self.script.sha(FUNCTIONS_SINCE)!r}",
            f"old_sha={self.script.sha(FUNCTIONS_SINCE - 1)!r}",
            f"rules={self.rules!r},  # {', '.join(self.script.header.rules)}" if self.rules else "rules=()",
            f"body={_literal(body)}",
        ]
        lines = "".join(f"\n    {field}{'' if '  # ' in field and field.startswith('rules') else ','}" for field in fields)
        return f"_{self.name.upper()} = Script({lines}\n)"

    def call(self) -> str:
        """Return the function that makes a call."""
        keys = [self._key(key) for key in self.script.header.keys]
        arguments = [self._argument(field) for field in self.script.header.arguments]
        reader = f"_{self.name}_result" if self.script.header.returns else "_nothing"
        lines = [
            "@staticmethod",
            f"def {self.name}{self._signature()} -> Call[{self.returns}]:",
            f'    """{_sentence(self.script.header.purpose)}"""',
            "    return Call(",
            f"        _{self.name.upper()},",
            _tuple(keys),
            _tuple(arguments),
            f"        {reader},",
            "    )",
        ]
        return "\n".join(lines)

    def method(self, kind: str) -> str:
        """Return the method that sends it; `a` is for async."""
        given = ", ".join(f"{parameter.name}={parameter.name}" for parameter in self.parameters)
        call = f"self.run({_camel(self.service)}Calls.{self.name}({given}))"
        head = f"{'async ' if kind else ''}def {self.name}{self._signature('self')} -> {self.returns}:"
        return f'{head}\n    """{_sentence(self.script.header.purpose)}"""\n    return {"await " if kind else ""}{call}'

    def _key(self, key: Key) -> str:
        own = self._own_placeholder(key) if key.is_open else None
        text = key.pattern.replace("{", "{{").replace("}", "}}")
        for placeholder in key.placeholders:
            name = _safe(placeholder.name)
            given = "_one" if placeholder.name == own else name
            if placeholder.is_date:
                given = f"_day({given})"
            elif key.hash_tag and f"<{placeholder.name}>" in key.hash_tag:
                given = f"_tag({given}, {name!r})"
            text = text.replace(f"<{placeholder.name}{':date' if placeholder.is_date else ''}>", "{" + given + "}")
        quoted = f'f"{text}"' if key.placeholders else f'"{key.pattern}"'
        return f"*({quoted} for _one in {_safe(own)}s)" if own else quoted

    def _argument(self, field: Field) -> str:
        name = _safe(field.name)
        if field.type == "list":
            return f"_rows({name}{' or ()' if field.is_optional else ''})"
        if field.is_optional:
            return f"_optional({name})"
        return {"text": name, "integer": f"str({name})", "flag": f"str(int({name}))"}[field.type]


def _tuple(items: Sequence[str]) -> str:
    lines = "".join(f"\n            {item}," for item in items)
    return f"        ({lines}\n        )," if items else "        (),"


def _safe(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name


def _literal(text: str) -> str:
    quotes = '"""'
    is_plain = quotes not in text and "\\" not in text[-1:] and not text.endswith('"')
    return f"r{quotes}{text}{quotes}" if is_plain else repr(text)
