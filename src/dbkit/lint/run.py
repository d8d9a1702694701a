"""One run: read, look from four sides, map back to what people wrote, leave out what is suppressed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from dbkit.errors import ConfigurationError
from dbkit.lint import nolint, safety, scripts, style
from dbkit.lint.cache import Cache, cache_of, files_key, key_of, tools_key
from dbkit.lint.finding import Finding, Hit, Layer, Level, Lint
from dbkit.lint.gather import Gathered, Piece, gather, source_folders
from dbkit.lint.parsed import Sql
from dbkit.lint.place import Place, Places
from dbkit.lint.rules import rules
from dbkit.lint.selection import Selection
from dbkit.project.manifest import Project
from dbkit.source.lexer import ScriptSyntaxError
from dbkit.source.script import LARGE

SQUAWK_URL = "https://squawkhq.com/docs/{}"
SQLFLUFF_URL = "https://docs.sqlfluff.com/en/stable/reference/rules.html#rule-{}"
ON_SCRIPTS = ("migration", "repeatable", "seed")  # what adds up to a service's schema


def lint(project: Project, selection: Selection, major: int, tell: Callable[[str], None] = lambda _: None) -> Lint:
    """Look at what was selected, as a server of that major version will see it.

    Every migration counts as pending: which ones are applied already is not asked of any server yet. With `--changed-since`
    the changed migrations count as one release: a table that one of them creates is nobody's yet in the others.
    """
    settings = style.settings_file(project.root)
    cache = cache_of(project.root)
    sources = files_key(project.root, source_folders(project))
    manifest = (project.root / "dbkit.toml").read_bytes()
    key = key_of(tools_key(), style.settings_text(settings), manifest, sources, str(major), str(selection))
    known = cache.run(key)
    if known:
        return known
    tell("reading")
    result = _Run(project, selection, gather(project), cache, tell).result(settings, major)
    if sources == files_key(project.root, source_folders(project)):  # nobody saved a file in the meantime
        cache.keep_run(key, result)
    return result


class _Run:
    """The state of a run: what was read, what was found."""

    def __init__(self, project: Project, selection: Selection, gathered: Gathered, cache: Cache, tell: Callable[[str], None]) -> None:
        self.project = project
        self.selection = selection
        self.gathered = gathered
        self.cache = cache
        self.tell = tell
        asked = {None, *project.manifest.lint.rules}
        self.rules = {name: rule for name, rule in rules().items() if rule.rule_set in asked}
        self.places = Places()
        self.unparsable: set[int] = set()
        own = {piece.path for piece in gathered.pieces}
        self.templates = {*(selection.paths or ()), *(selection.changed or ())} - own  # named, and rendered by others
        self.pieces = [piece for piece in gathered.pieces if self._is_wanted(piece)]
        self.services: dict[Path, set[str | None]] = defaultdict(set)
        for piece in self.pieces:
            self.services[piece.path].add(piece.service)
        self.services.update({path: set(users) for path, users in gathered.lua.items()})
        self.lua = [path for path, users in gathered.lua.items() if any(self._is_kept(path, user) for user in users)]

    def result(self, settings: Path, major: int) -> Lint:
        styled = [p for p in style.representatives(self.project, self.pieces) if self.project.root in p.path.parents]
        self.tell(f"{len(styled)} texts: style")
        styling = style.start([piece.script.text for piece in styled], settings, self.cache)
        found = [*self._errors(), *self._syntax()]
        self.tell("rules")
        found += [*self._rules(), *self._lua(), *self._safety(major)]
        self.tell(f"{len(styled)} texts: style")
        found += [*self._style(styled, styling), *self._unstyled()]
        findings = self._suppressed({_identity(finding): finding for finding in reversed(found)}.values())
        files = {piece.path for piece in self.pieces if self.project.root in piece.path.parents} | set(self.lua)
        ours = rules()
        summaries = {f.rule: ours[f.rule].summary for f in findings if f.rule in ours}
        return Lint(tuple(sorted(findings, key=lambda finding: finding.order)), len(files), summaries)

    # What is looked at

    def _is_wanted(self, piece: Piece) -> bool:
        chosen = self.selection.wants_service(piece.service) or self.selection.wants_path(piece.path)
        if chosen and self.selection.is_changed(piece.path):
            return True
        return bool(self.templates) and any(self._is_kept(origin.path, piece.service) for origin in set(piece.script.origins))

    def _is_kept(self, path: Path, service: str | None) -> bool:
        """Say whether findings of a file are reported: it is the project's, and was asked for."""
        if self.project.root not in path.parents:
            return False
        chosen = self.selection.paths is None and self.selection.services is None
        chosen = chosen or self.selection.wants_path(path) or (service is not None and self.selection.wants_service(service))
        return chosen and self.selection.is_changed(path)

    # From four sides

    def _errors(self) -> Iterator[Finding]:
        for service, error in self.gathered.errors:
            if self.selection.services is None or self.selection.wants_service(service):
                yield self._broken(error)

    def _broken(self, error: ConfigurationError) -> Finding:
        where, _, line = (error.where or "").rpartition(":")
        path = Path(where) if line.isdigit() else Path(error.where or self.project.root / "dbkit.toml")
        number = int(line) if line.isdigit() else 1
        source = self.places.of(path)[number - 1] if path.is_file() and number <= len(self.places.of(path)) else ""
        message = f"{error.message} (nothing else of this folder was looked at)"
        return Finding(self._relative(path), number, 1, "unreadable", "error", message, "source", source, error.hint)

    def _syntax(self) -> Iterator[Finding]:
        for piece in self.pieces:
            try:
                _ = piece.sql.statements
            except ScriptSyntaxError as exc:
                self.unparsable.add(id(piece.sql))
                yield from self._finding(piece, Hit(exc.line, exc.message), "syntax", "error", "source", exc.hint)

    def _parsed(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        return (piece for piece in pieces if id(piece.sql) not in self.unparsable)

    def _rules(self) -> Iterator[Finding]:
        by_service: dict[str, list[Piece]] = defaultdict(list)
        for piece in self._parsed(self.pieces):
            for name, rule in self.rules.items():
                if rule.script and piece.kind in rule.kinds:
                    for hit in rule.script(piece.sql):
                        yield from self._finding(piece, hit, name, rule.level, "rules", rule.why)
        for piece in self.gathered.pieces:
            if piece.kind in ON_SCRIPTS:
                by_service[piece.service].append(piece)
        for service, pieces in by_service.items():
            if any(piece.service == service for piece in self.pieces):
                yield from self._service_rules(pieces)

    def _service_rules(self, pieces: Sequence[Piece]) -> Iterator[Finding]:
        parsed = [piece for piece in pieces if _parses(piece.sql)]
        by_sql = {id(piece.sql): piece for piece in parsed}
        for name, rule in self.rules.items():
            for sql, hit in rule.service([piece.sql for piece in parsed]) if rule.service else ():
                if sql.kind in rule.kinds:
                    yield from self._finding(by_sql[id(sql)], hit, name, rule.level, "rules", rule.why)

    def _lua(self) -> Iterator[Finding]:
        kept = set(self.lua)
        for found in scripts.examine(self.project, self.gathered.lua) if kept else ():
            if isinstance(found, ConfigurationError):
                yield from (finding for finding in [self._broken(found)] if self.project.root / finding.path in kept)
            elif found.path in kept:
                place = Place(found.path, found.line, found.column, self.places.of(found.path)[found.line - 1], is_written=True)
                yield self._at(place, found.rule, found.level, found.message, "lua", found.help)

    def _safety(self, major: int) -> Iterator[Finding]:
        migrations = [piece for piece in self._parsed(self.pieces) if piece.kind == "migration"]
        release = {p.migration.id for p in migrations if p.migration} if self.selection.changed is not None else set()
        for piece, found in safety.examine(migrations, major, frozenset(release)):
            level = found.hit.level or "warning"
            yield from self._finding(piece, found.hit, found.rule, level, "safety", found.help, SQUAWK_URL.format(found.rule))

    def _style(self, pieces: Iterable[Piece], styling: style.Styling) -> Iterator[Finding]:
        hits = styling.result()
        for piece in self._parsed(pieces):
            for hit in hits[piece.script.text]:
                place = self.places.find(piece.script, hit.line, hit.column)
                if not self._is_kept(place.path, piece.service):
                    continue
                if not style.is_to_report(hit, piece.script.text, place, self.places.of(place.path)):
                    continue
                level: Level = "info" if hit.code == "PRS" else "warning"
                url = SQLFLUFF_URL.format(hit.code)
                yield self._at(place, hit.code, level, style.message(hit, place), "style", url=url)

    def _unstyled(self) -> Iterator[Finding]:
        """Say of each file that is too large for it that its style was not looked at."""
        for piece in self.pieces:
            if piece.script.is_large:
                hit = Hit(1, f"the file is above {LARGE >> 20} MB: its style was not looked at")
                yield from self._finding(piece, hit, "large_file", "info", "style", None)

    # From the rendering to the file

    def _finding(
        self, piece: Piece, hit: Hit, rule: str, level: Level, layer: Layer, help_text: str | None, url: str | None = None
    ) -> Iterator[Finding]:
        place = self.places.find(piece.script, hit.line, hit.column)
        if self._is_kept(place.path, piece.service):
            message = hit.message.replace(f"{piece.sql.schema}.", "")
            yield self._at(place, rule, hit.level or level, message, layer, help_text, url)

    def _at(
        self, place: Place, rule: str, level: Level, message: str, layer: Layer, help_text: str | None = None, url: str | None = None
    ) -> Finding:
        path = self._relative(place.path)
        return Finding(path, place.line, place.column, rule, level, message, layer, place.source, help_text, url)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.project.root).as_posix() if self.project.root in path.parents else str(path)

    # What its author has thought about

    def _suppressed(self, findings: Iterable[Finding]) -> list[Finding]:
        folders = {path for folder in source_folders(self.project) if self.project.root in folder.parents for path in folder.rglob("*")}
        files = nolint.files_with_suppressions(path for path in folders if path.is_file() and self._is_read(path))
        found = [s for path in files for s in nolint.suppressions(self._relative(path), self.places.of(path))]
        judged = [self._relative(path) for path in files if self._is_complete(path)]
        return nolint.apply(findings, found, judged)

    def _is_read(self, path: Path) -> bool:
        return any(self._is_kept(path, service) for service in self.services.get(path) or {None})

    def _is_complete(self, path: Path) -> bool:
        """Say whether every rendering of a file was looked at."""
        if path in self.lua:
            return True
        everywhere = [piece for piece in self.gathered.pieces if piece.path == path]
        if not everywhere:  # a macro or an include: whoever renders it has to have been looked at
            return self.selection.is_whole and any(o.path == path for piece in self.pieces for o in piece.script.origins)
        return all(piece in self.pieces for piece in everywhere)


def _identity(finding: Finding) -> tuple[str, int, str, str]:
    return (finding.path, finding.line, finding.rule, finding.message)


def _parses(sql: Sql) -> bool:
    try:
        _ = sql.statements
    except ScriptSyntaxError:
        return False
    return True
