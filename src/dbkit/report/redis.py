"""What happens on Redis, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbkit.redis.migrate import Event
    from dbkit.report.console import Output, Progress


@dataclass(frozen=True, slots=True)
class Teller:
    """Writes each event of a run; how far one is goes to the progress line."""

    output: Output
    service: str
    progress: Progress

    def __call__(self, event: Event) -> None:
        """Write the event."""
        match event.kind:
            case "progress":
                self.progress.update(f"{self.service}: {event.what}: {event.text}")
            case "waiting":
                self.output.note(f"{self.service}: waiting for another run: {event.text}")
            case "loaded":
                from dbkit.report.run import count

                self.output.event(self.service, "loaded", count(int(event.what), "script"), event.seconds)
            case _:
                self.output.event(self.service, event.kind, event.what, event.seconds, note=event.text)
