"""`servestack shadow`."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from servestack.cli.events_command import source_of, spec_of
from servestack.cli.output import say, write
from servestack.errors import KafkaError, Problem, SpecError
from servestack.kafka.export import Source
from servestack.kafka.options import event_time, read_moment
from servestack.kafka.shadow import Comparison
from servestack.kafka.shadow_report import report_data, report_text
from servestack.kafka.topic import Progress, messages
from servestack.project import load_around
from servestack.resolve.service import effective_spec
from servestack.spec.model_files import load_model_files

_SAY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ShadowOptions:
    """The command's options as they were typed."""

    since: str | None
    until: str | None
    tolerance: float
    as_json: bool
    client_config: Path | None


def shadow(root: Path, environment: str, model: str, options: ShadowOptions) -> None:
    """Compare a model with its shadow by their events, and print the report.

    Raises ServestackError: options (SRV568), no event of a shadow (SRV582), none of both for one
    request (SRV583), or as `messages` does.
    """
    now = datetime.now(UTC)
    since = read_moment(options.since, "--since", now) if options.since else None
    until = read_moment(options.until, "--until", now) if options.until else None
    if since and until and since >= until:
        raise SpecError(Problem("SRV568", "--since is not before --until"))
    inputs = load_around(root, environment, load_model_files(root))
    loaded = spec_of(inputs, model)
    source = source_of(inputs, loaded, ("predictions",), options.client_config)
    spec, _ = effective_spec(loaded, inputs.environment)
    percent = spec.shadow.percent if spec.shadow is not None else 100.0
    gc.enable()  # Entry turns it off, and this may run for long.
    found = Comparison(options.tolerance, percent)
    found.add_all(
        _messages(source, since),
        event_time(since) if since else "",
        event_time(until) if until else "",
    )
    found.finish()
    _require_events(found, source.topics["predictions"], has_shadow=spec.shadow is not None)
    data = report_data(found)
    write(json.dumps(data, indent=2) + "\n" if options.as_json else report_text(data, model))


def _messages(source: Source, since: datetime | None) -> Iterator[bytes]:
    topic, progress, said = source.topics["predictions"], Progress(), time.monotonic()
    seconds = since.timestamp() if since is not None else None
    for value in messages(source.settings, topic, progress, seconds):
        yield value
        if not progress.done & 1023 and time.monotonic() - said > _SAY_SECONDS:
            said = time.monotonic()
            say(f"{topic}: {progress.done} of {progress.total} messages read")


def _require_events(found: Comparison, topic: str, *, has_shadow: bool) -> None:
    if not found.of_shadow:
        hint = (
            "look at servestack_shadow_requests_total of the model's pods: it counts what was sent, and "
            "what was dropped and why"
            if has_shadow
            else "write shadow: {artifact: …} in its spec, lock and apply it"
        )
        message = f"{topic} has no events of a shadow from this time"
        raise KafkaError(Problem("SRV582", message, hint=hint))
    if not found.requests:
        message = (
            f"{topic} has {found.of_model} events of the model and {found.of_shadow} of its shadow, and "
            "no request with both"
        )
        hint = "look further back with --since, and at logging.predictions.sample"
        raise KafkaError(Problem("SRV583", message, hint=hint))
