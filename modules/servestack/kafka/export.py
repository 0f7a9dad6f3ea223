"""`servestack events`: from topics to NDJSON or Parquet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from servestack.errors import KafkaError, Location, Problem
from servestack.files import replacing
from servestack.kafka.events import Choice, Counts, chosen, with_feedback
from servestack.kafka.topic import Progress, messages
from servestack.words import counted
from servestack_contract.events import Kind

Say = Callable[[str], None]
_SAY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Source:
    """The topics of a model, by kind, and the settings of a client that may read them."""

    settings: Mapping[str, Any]
    topics: Mapping[Kind, str]


class Export:
    """One run: what is read, with what has been counted. `say` takes progress messages."""

    def __init__(
        self, source: Source, choice: Choice, since: datetime | None, join: bool, say: Say
    ) -> None:
        self._source = source
        self._choice = choice
        self._since = since
        self._join = join
        self._say = say
        self.counts = Counts()

    def lines(self) -> Iterator[bytes]:
        """Yield the chosen events. Raises KafkaError: as `messages`, or there are none (SRV566)."""
        kind, choice = self._choice.kind, self._choice
        found = chosen(self._messages(kind), choice, self.counts)
        if self._join:
            of_all = Choice("feedback", since=choice.since, ids=choice.ids)
            # Feedback has a count of its own, and comes later than its prediction, even after until.
            feedback = chosen(self._messages("feedback"), of_all, Counts())
            found = with_feedback(found, feedback, self.counts)
        yield from found
        if not self.counts.events:
            raise KafkaError(
                Problem(
                    "SRV566",
                    f"{self._source.topics[kind]} has no such events"
                    + (f" ({self._unreadable()})" if self.counts.unreadable else ""),
                    hint="were there requests in this time? A topic keeps events for a while only, and "
                    "logging.predictions.sample leaves some out",
                )
            )

    def summary(self) -> str:
        """Return one sentence about what was read."""
        counts = self.counts
        parts = [counted(counts.events, "event")]
        if counts.repeated:
            parts.append(f"{counts.repeated} repeated and left out")
        if counts.other_variant:
            whose = "of the model" if self._choice.of_shadow else "of its shadow"
            parts.append(f"{counts.other_variant} {whose} left out")
        if counts.unreadable:
            parts.append(self._unreadable())
        if self._join:
            parts.append(f"{counts.joined} with feedback")
        return f"{self._source.topics[self._choice.kind]}: {', '.join(parts)}"

    def _unreadable(self) -> str:
        return f"{counted(self.counts.unreadable, 'message')} that are no events left out"

    def _messages(self, kind: Kind) -> Iterator[bytes]:
        topic, progress = self._source.topics[kind], Progress()
        since = self._since.timestamp() if self._since is not None else None
        said = time.monotonic()
        for value in messages(self._source.settings, topic, progress, since):
            yield value
            if not progress.done & 1023 and time.monotonic() - said > _SAY_SECONDS:
                said = time.monotonic()
                self._say(f"{topic}: {progress.done} of {progress.total} messages read")


def write_ndjson(lines: Iterator[bytes], stream: BinaryIO) -> None:
    """Write one line for each event."""
    for line in lines:
        stream.write(line)
        stream.write(b"\n")
    stream.flush()


def write_file(lines: Iterator[bytes], file: Path, parquet: bool, columns: tuple[str, ...]) -> None:
    """Write a file, whole or not at all.

    `columns` are the names of a row's inputs. Raises KafkaError: the file cannot be written (SRV304),
    or as `lines` does.
    """
    try:
        with replacing(file) as temporary:
            if parquet:
                from servestack.kafka.parquet import write_parquet

                write_parquet(lines, columns, temporary)
            else:
                with temporary.open("wb") as stream:
                    write_ndjson(lines, stream)
    except OSError as error:
        problem = Problem("SRV304", f"cannot be written: {error.strerror or error}", Location(file))
        raise KafkaError(problem) from None
