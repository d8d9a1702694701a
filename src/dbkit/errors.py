"""What can go wrong, as the user meets it: one sentence, where, and what to do next."""

from __future__ import annotations


class DbkitError(Exception):
    """A run that found or hit a problem (exit code 1).

    `message` is one plain sentence, `where` a `file:line`, `hint` the next thing to do,
    `sqlstate` what the server answered, `excerpt` the source lines around the place.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        sqlstate: str | None = None,
        excerpt: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.sqlstate = sqlstate
        self.excerpt = excerpt


class ConfigurationError(DbkitError):
    """The command line, the manifest or a source file is wrong; nothing was changed."""

    exit_code = 2


class UnreachableError(DbkitError):
    """A target can't be reached."""

    exit_code = 3


class LockedError(DbkitError):
    """Another run holds the lock."""

    exit_code = 4


class InterruptedRunError(DbkitError):
    """SIGINT or SIGTERM ended the run; the journal is true."""

    def __init__(self, message: str, *, exit_code: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


def nearest(word: str, known: list[str]) -> str:
    """Return `; did you mean 'x'?` for the closest known spelling, or an empty string."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
