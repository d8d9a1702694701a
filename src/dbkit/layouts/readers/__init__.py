"""The tools whose folders can be read: a file each, found by its folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from dbkit.layouts.steps import Layout


def tools() -> list[str]:
    """Return the names of the tools, as `--from` takes them."""
    return sorted(path.stem.replace("_", "-") for path in Path(__file__).parent.glob("[a-z]*.py"))


def layout_of(tool: str) -> Layout:
    """Return how that tool's folder and history are read."""
    found = import_module(f"{__name__}.{tool.replace('-', '_')}").LAYOUT
    assert isinstance(found, Layout)  # noqa: S101 each file of the folder has one
    return found
