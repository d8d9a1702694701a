"""A script: a rendered text and the way back to its template, or a file too large to be held."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError
from dbkit.source import templates
from dbkit.source.checksum import hash_blocks, hash_chunks, text_hash, token_hash
from dbkit.source.templates import Origin

if TYPE_CHECKING:
    from dbkit.source.blocks import Block
    from dbkit.source.checksum import Tokens

LARGE = 8 << 20  # bytes; above it a script is read in blocks, and the journal keeps its length and hash only


@dataclass(frozen=True)
class Script:
    """A rendered file, and the way back from its lines to the template's; `rendered` is None where the file is large."""

    path: Path
    rendered: str | None = field(repr=False)
    context: Mapping[str, Any] = field(repr=False)
    includes: tuple[Path, ...] = field(repr=False)

    @property
    def text(self) -> str:
        """The whole text; reads a large file into memory."""
        return self.rendered if self.rendered is not None else templates.read_source(self.path)

    @property
    def is_large(self) -> bool:
        return self.rendered is None or len(self.rendered) > LARGE

    @property
    def head(self) -> str:
        """The text, or enough of a large one to hold its headers."""
        return "".join(islice(self.chunks(), 1)) if self.is_large else self.text

    def chunks(self) -> Iterator[str]:
        """Yield the text bit by bit."""
        from dbkit.source.blocks import BLOCK

        text = self.rendered
        if text is None:
            return templates.read_chunks(self.path)
        return (text[start : start + BLOCK] for start in range(0, len(text), BLOCK))

    def blocks(self, tokens: Tokens | None = None) -> Iterator[Block]:
        """Yield whole statements and data, and learn the digest on the way, with `tokens` the checksum too: a large file is not read again.

        Raises ScriptSyntaxError, and ConfigurationError where the text is not the one that was read before.
        """
        from dbkit.source.blocks import blocks

        seen = hashlib.sha256()

        def chunks() -> Iterator[str]:
            for chunk in self.chunks():
                seen.update(chunk.encode())
                yield chunk

        for block in blocks(chunks()):
            if tokens:
                tokens.add(block)
            yield block
        if vars(self).setdefault("digest", seen.hexdigest()) != seen.hexdigest():
            raise ConfigurationError("the file was changed while it was read", where=f"{self.path}:1", hint="run it again")
        if tokens and tokens.scans:
            vars(self)["checksum"] = tokens.hexdigest()

    @cached_property
    def length(self) -> int:
        """The bytes of the text in UTF-8."""
        return sum(len(chunk.encode()) for chunk in self.chunks())

    @cached_property
    def digest(self) -> str:
        """The hash of the text as it is."""
        return text_hash(self.rendered) if self.rendered is not None else hash_chunks(self.chunks())

    @cached_property
    def checksum(self) -> str:
        """The hash of the text's tokens."""
        return token_hash(self.rendered) if self.rendered is not None else hash_blocks(self.chunks)

    @cached_property
    def origins(self) -> list[Origin]:
        return templates.origins(self.path, self.context, self.includes, self.text)

    def origin(self, line: int) -> Origin:
        """Return where line `line` (from 1) of the rendering was written."""
        if self.path.suffix != ".j2":
            return Origin(self.path, max(line, 1))
        return self.origins[min(max(line, 1), len(self.origins)) - 1]
