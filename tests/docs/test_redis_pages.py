"""docs/redis.md and docs/shop/cart.md name rules, tests and headers that are there."""

from __future__ import annotations

import re
from pathlib import Path

from dbkit.lint.rules import rules
from dbkit.redis.headers import FLAGS, SECTIONS, TYPES, read_header

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "docs/redis.md").read_text(encoding="utf-8")
CART = (ROOT / "docs/shop/cart.md").read_text(encoding="utf-8")


def test_every_rule_for_lua_is_explained() -> None:
    assert set(re.findall(r"^\| `(lua_\w+)`", MANUAL, re.MULTILINE)) == {name for name, rule in rules().items() if rule.lua}


def test_every_guarantee_of_the_cart_has_its_test() -> None:
    guarantees = CART.partition("## What holds")[2].partition("## Cluster")[0]
    named = re.findall(r"(test_cart_\w+\.py): ((?:`test_\w+`(?:, )?)+)", guarantees)

    assert len(named) > 15
    for file, tests in named:
        text = (ROOT / "tests/shop/cart" / file).read_text(encoding="utf-8")
        assert [name for name in re.findall(r"`(\w+)`", tests) if f"def {name}(" not in text] == []
    assert len(re.findall(r"`test_\w+`", guarantees)) == sum(len(re.findall(r"`\w+`", tests)) for _, tests in named)


def test_the_header_of_the_manual_can_be_read() -> None:
    example = re.search(r"^    --\[\[.*?^    \]\]", MANUAL, re.MULTILINE | re.DOTALL)
    assert example is not None

    header = read_header(re.sub(r"(?m)^    ", "", example[0]), Path("give_points.lua"))

    assert (header.name, header.rules, header.flags) == ("give_points", ("maximum_points",), ())
    assert [key.hash_tag for key in header.keys] == ["<team>", "<team>"]
    assert [(field.name, field.type, field.is_optional) for field in header.arguments] == [
        ("player", "text", False),
        ("points", "integer", False),
        ("reason", "text", True),
    ]
    assert [field.type for field in header.returns] == ["integer", "flag"]
    assert all(f"| {name} |" in MANUAL for name in SECTIONS)
    assert all(f"`{name}" in MANUAL for name in (*TYPES, *FLAGS[:2]))
