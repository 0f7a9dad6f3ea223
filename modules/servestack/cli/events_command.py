"""`servestack events`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from servestack.cli.output import say, stop_for_reader
from servestack.errors import KafkaError, Problem, ServestackError, SpecError
from servestack.kafka.connection import client_settings
from servestack.kafka.events import Choice
from servestack.kafka.export import Export, Source, write_file, write_ndjson
from servestack.kafka.options import event_time, read_ids, read_moment
from servestack.project import Inputs, load_around
from servestack.resolve.environment import deployed
from servestack.resolve.resolved import Topics
from servestack.resolve.service import effective_spec, resolve_service, topics_of
from servestack.spec.load import Loaded
from servestack.spec.model_files import load_model_files
from servestack.spec.model_service import ModelService
from servestack_contract.events import Kind


@dataclass(frozen=True, slots=True)
class EventsOptions:
    """The command's options as they were typed."""

    kind: Kind
    since: str | None
    until: str | None
    ids: str | None
    join: bool
    of_shadow: bool
    limit: int | None
    parquet: bool
    to: Path | None
    client_config: Path | None


def events(root: Path, environment: str, model: str, options: EventsOptions) -> None:
    """Read a model's events, and write them to a file or to stdout.

    Raises ServestackError for options that exclude each other or are not valid (SRV568), and as
    `Export.lines` does.
    """
    _require_fit(options)
    now = datetime.now(UTC)
    since = read_moment(options.since, "--since", now) if options.since else None
    until = read_moment(options.until, "--until", now) if options.until else None
    if since and until and since >= until:
        raise SpecError(Problem("SRV568", "--since is not before --until"))
    choice = Choice(
        options.kind,
        event_time(since) if since else "",
        event_time(until) if until else "",
        read_ids(options.ids) if options.ids is not None else None,
        options.limit,
        options.of_shadow,
    )
    inputs = load_around(root, environment, load_model_files(root))
    spec = spec_of(inputs, model)
    kinds: tuple[Kind, ...] = (options.kind, "feedback") if options.join else (options.kind,)
    source = source_of(inputs, spec, kinds, options.client_config)
    gc.enable()  # Entry turns it off, and this may run for long.
    export = Export(source, choice, since, options.join, say)
    if options.to is None:
        try:
            write_ndjson(export.lines(), sys.stdout.buffer)
        except BrokenPipeError:
            stop_for_reader()
    else:
        write_file(export.lines(), options.to, options.parquet, _columns(inputs, spec))
    say(export.summary())


def _require_fit(options: EventsOptions) -> None:
    hint = ""
    if options.join and options.kind != "predictions":
        hint = "use --join feedback only with --kind predictions, the default"
    elif options.parquet and options.to is None:
        hint = "name a file with --to: a Parquet file is written from both its ends"
    if hint:
        raise SpecError(Problem("SRV568", "these options do not go together", hint=hint))


def spec_of(inputs: Inputs, model: str) -> Loaded[ModelService]:
    """Return the spec of a model of the environment. Raises SpecError (SRV202) if it has none."""
    found = {spec.value.name: spec for spec in deployed(inputs.specs, inputs.environment.value)}
    if model in found:
        return found[model]
    for broken in inputs.files.broken:
        if model == broken.name:
            raise SpecError(broken.problems)
    name = inputs.environment.value.name
    hint = f"models: {', '.join(found)}"
    raise SpecError(Problem("SRV202", f"{name} has no model {model!r}", hint=hint))


def source_of(
    inputs: Inputs,
    spec: Loaded[ModelService],
    kinds: Iterable[Kind],
    client_config: Path | None,
) -> Source:
    """Return the topics, and a client's settings. Raises KafkaError (SRV565) without one of the kinds."""
    environment = inputs.environment.value
    if environment.kafka is None:
        raise KafkaError(
            Problem(
                "SRV565", f"{environment.name} has no Kafka", inputs.environment.document.location()
            )
        )
    topics = dict(_topics(inputs, spec).shipped())
    for kind in kinds:
        if kind not in topics:
            hint = f"set logging.{kind} in its spec"
            message = f"{spec.value.name} sends no {kind} events from {environment.name}"
            raise KafkaError(Problem("SRV565", message, spec.document.location(), hint=hint))
    settings = client_settings(environment.kafka, os.environ, client_config)
    return Source(settings, topics)


def _topics(inputs: Inputs, spec: Loaded[ModelService]) -> Topics:
    value, _ = effective_spec(spec, inputs.environment)
    return topics_of(value, inputs.environment.value)


def _columns(inputs: Inputs, spec: Loaded[ModelService]) -> tuple[str, ...]:
    """Return the names of the model's columns; nothing for other inputs, or without a lock."""
    try:
        resolved = resolve_service(spec, inputs.environment, inputs.lock)
    except ServestackError:
        return ()
    return tuple(column.name for column in resolved.input.columns or ())
