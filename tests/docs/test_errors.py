"""docs/errors.md has every error: by its words, with the exit code that the program ends with."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

from dbkit import errors
from scratch import Scratch

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
sys.path.insert(0, str(ROOT / "ci"))
reference = importlib.import_module("error_reference")


def rows() -> list[tuple[re.Pattern[str], str]]:
    """Return each message of the page as a pattern, with its exit code."""
    found = re.findall(r"^\| (`+ ?)(.+?) ?`+ \| ([\d, ]+) \|", PAGE, re.MULTILINE)
    texts = [(re.sub(r"⟨[^⟩]*⟩", "\0", message.replace("\\|", "|")), code) for _, message, code in found]
    return [(re.compile(re.escape(text).replace("\0", ".*"), re.DOTALL), code) for text, code in texts]


def test_every_kind_of_error_is_known_with_its_exit_code() -> None:
    kinds = {name for path in (ROOT / "src").rglob("*.py") for name in re.findall(r"class (\w+)\(\w*Error\)", path.read_text())}
    own = {name: getattr(errors, name).exit_code for name in kinds if hasattr(errors, name)}

    assert {"ConfigurationError", "LockedError"} < own.keys()
    assert kinds - {"ScriptError"} <= reference.EXIT_CODES.keys()  # ScriptError is wrapped before a user sees it
    assert {name for name, code in own.items() if str(code) not in str(reference.EXIT_CODES[name])} <= {"InterruptedRunError"}


def test_every_place_that_raises_one_is_read() -> None:
    """Each call that makes an error yields a row, but for those that pass on the words of another one."""
    lost = []
    for path in sorted((ROOT / "src/dbkit").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        made = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in reference.EXIT_CODES]
        read = {entry.message for entry in reference.entries(tree)}
        for node in made:
            message = reference.message_of(node, tree)
            if message not in read and re.sub("⟨[^⟩]*⟩", "", message).strip(' :/"'):
                lost.append(f"{path.name}:{node.lineno}: {message}")

    assert lost == []


@pytest.mark.parametrize(
    ("files", "command", "code"),
    [
        ({"0001_a.sql": "VACUUM;"}, "migrate", 2),
        ({"0001_a.sql": "SELECT 1;"}, "migrate", 2),
        ({"0001_a.sql": "SELECT 1/0;", "0001_a.rollback.sql": "SELECT 1;"}, "migrate", 1),
        ({"0001_a.SQL": "SELECT 1;"}, "status", 2),
        ({"0001_a.sql": "-- transactionl: false\nSELECT 1;"}, "status", 2),
        ({"0001_a.sql": "SELECT 1;", "0001_b.sql": "SELECT 1;"}, "status", 2),
    ],
)
def test_what_the_program_prints_is_found_on_the_page(scratch: Scratch, files: dict[str, str], command: str, code: int) -> None:
    for name, text in files.items():
        scratch.write(f"migrations/main/{name}", text)

    printed = scratch.call(command, code=code).err.removeprefix("error: ").partition("\n  at ")[0]

    assert [known for pattern, known in rows() if pattern.fullmatch(printed) and known == str(code)]


def test_every_sqlstate_of_our_own_has_a_row() -> None:
    folders = [ROOT / "schemas", ROOT / "migrations", ROOT / "src/dbkit/postgres"]
    codes = {
        code
        for folder in folders
        for path in folder.rglob("*sql*")
        if path.is_file()
        for code in re.findall(r"'(SH\d{3})'", path.read_text())
    }

    assert len(codes) > 80
    assert {code for code in codes if not re.search(rf"^\| {code} \|", PAGE, re.MULTILINE)} == set()
