"""`servestack experiment`."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from servestack.cli.events_command import source_of, spec_of
from servestack.cli.output import say, write
from servestack.errors import KafkaError, Problem, SpecError
from servestack.experiments.report import report_data, report_markdown, report_text
from servestack.experiments.units import units_of
from servestack.experiments.verdict import Outcome, Plan, Question, Verdict, judge
from servestack.kafka.experiment import Matcher, Reader
from servestack.kafka.export import Source
from servestack.kafka.options import event_time, read_moment
from servestack.kafka.topic import Progress, messages
from servestack.project import Inputs, load_around
from servestack.resolve.service import effective_spec
from servestack.spec.experiment import Experiment, Guardrail
from servestack.spec.experiment_rules import Arm, arms_of
from servestack.spec.model_files import load_model_files
from servestack.spec.model_service import ModelService
from servestack_contract.events import Kind

FAILED = 3
"""Exit code where the verdict is one of those of --fail-on."""
FAILURES: dict[str, tuple[Outcome, ...]] = {
    "no-verdict": ("splitMismatch", "crossed", "missingFeedback"),
    "guardrail": ("guardrailBroken",),
    "keep-going": ("keepGoing",),
}
"""The outcomes that a word of --fail-on means."""

_SAY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ExperimentOptions:
    """The command's options as they were typed."""

    since: str | None
    until: str | None
    output: str
    fail_on: tuple[str, ...]
    client_config: Path | None


def experiment(root: Path, environment: str, model: str, options: ExperimentOptions) -> None:
    """Read an experiment's events, and print the verdict. Exits with FAILED as --fail-on says.

    Raises ServestackError: options (SRV568), a model without an experiment (SRV597), no event of it
    (SRV598), events without units (SRV596) or too many (SRV599), or as `messages` does.
    """
    now = datetime.now(UTC)
    inputs = load_around(root, environment, load_model_files(root))
    loaded = spec_of(inputs, model)
    spec, _ = effective_spec(loaded, inputs.environment)
    given = spec.experiment
    if given is None:
        hint = "write experiment: {metric: feedback.<field>, minimumEffect: …} in its spec"
        message = f"{model} has no experiment"
        raise SpecError(Problem("SRV597", message, loaded.document.location(), hint=hint))
    start = options.since or given.start
    since = read_moment(start, "--since", now) if start else None
    until = read_moment(options.until, "--until", now) if options.until else now
    if since and since >= until:
        raise SpecError(Problem("SRV568", "--since is not before --until"))
    arms = arms_of(spec)
    sources = _sources(inputs, arms, given, options.client_config)
    gc.enable()  # Entry turns it off, and this may run for long.
    reader = _read(spec, arms, sources, since, until)
    _require_events(reader, spec, arms)
    zero = [m for m in _metrics(given) if m != "latency" and m != "errors"]
    units = units_of(
        reader.requests(),
        reader.feedback(),
        len(arms),
        window_milliseconds=given.window_minutes * 60_000,
        now=int(until.timestamp() * 1000),
        zero_for_missing=zero if given.missing_feedback == "zero" else (),
    )
    found = judge(plan_of(given, arms), units)
    printed: dict[str, Callable[[Verdict, str], str]] = {
        "text": report_text,
        "markdown": report_markdown,
        "json": lambda verdict, _: json.dumps(report_data(verdict), indent=2) + "\n",
    }
    write(printed[options.output](found, model))
    if any(found.outcome in FAILURES[word] for word in options.fail_on):
        sys.exit(FAILED)


def plan_of(given: Experiment, arms: tuple[Arm, ...]) -> Plan:
    """Return what the spec has decided before any data came."""
    return Plan(
        variants=tuple(arm.name for arm in arms),
        shares=tuple(arm.share / 100 for arm in arms),
        question=Question(given.metric, given.better == "higher", given.minimum_effect),
        guardrails=tuple(map(_guardrail, given.guardrails)),
        alpha=given.alpha,
    )


def _guardrail(given: Guardrail) -> Question:
    return Question(given.metric, given.better == "higher", given.worse_than)


def _metrics(given: Experiment) -> tuple[str, ...]:
    return (given.metric, *(guardrail.metric for guardrail in given.guardrails))


def _sources(
    inputs: Inputs, arms: tuple[Arm, ...], given: Experiment, client_config: Path | None
) -> dict[str, Source]:
    """Return the topics of each service that takes part."""
    kinds: tuple[Kind, ...] = ("predictions",)
    if "errors" in _metrics(given):
        kinds = ("predictions", "access")
    return {
        name: source_of(inputs, spec_of(inputs, name), kinds, client_config)
        for name in dict.fromkeys(arm.service for arm in arms)
    }


def _read(
    spec: ModelService, arms: tuple[Arm, ...], sources: dict[str, Source],
    since: datetime | None, until: datetime,
) -> Reader:  # fmt: skip
    assert spec.experiment is not None
    metrics = _metrics(spec.experiment)
    reader = Reader(
        [Matcher(arm.service, arm.branch, arm.version, arm.rollout) for arm in arms],
        [metric for metric in metrics if metric.startswith("feedback")],
        event_time(since) if since else "",
        event_time(until),
        has_units=spec.unit_key is not None,
    )
    # Feedback last: what came while predictions were read is to them.
    for name, source in sources.items():
        reader.add_predictions(_messages(source, "predictions", since), name)
        if "errors" in metrics:
            reader.add_predictions(_messages(source, "access", since), name, accesses=True)
    for source in sources.values():
        if "feedback" in source.topics:
            reader.add_feedback(_messages(source, "feedback", since))
    return reader


def _messages(source: Source, kind: Kind, since: datetime | None) -> Iterator[bytes]:
    topic, progress, said = source.topics[kind], Progress(), time.monotonic()
    seconds = since.timestamp() if since is not None else None
    for value in messages(source.settings, topic, progress, seconds):
        yield value
        if not progress.done & 1023 and time.monotonic() - said > _SAY_SECONDS:
            said = time.monotonic()
            say(f"{topic}: {progress.done} of {progress.total} messages read")
    if progress.is_cut:
        say(
            f"warning: {topic} no longer holds its oldest messages, so the experiment may have lost its "
            "beginning: a verdict holds at every look only if all looks begin with the same event"
        )


def _require_events(reader: Reader, spec: ModelService, arms: tuple[Arm, ...]) -> None:
    for arm, named, unnamed in zip(arms, reader.of_variant, reader.without_unit, strict=True):
        if unnamed and not named:
            message = f"the {unnamed} events of {arm.name} do not name their unit"
            hint = (
                f"apply the experiment's spec: servestack rolls out {arm.service} with its stickyBy"
                if arm.service == spec.name
                else f"write the same experiment into the spec of {arm.service}, or into the defaults of "
                "a folder that holds both"
            )
            raise KafkaError(Problem("SRV596", message, hint=hint))
    if not any(reader.of_variant):
        variants = ", ".join(arm.name for arm in arms)
        message = f"no event of {variants} from this time ({reader.others} of no variant)"
        hint = "were there requests since the experiment's start, and are its pods rolled out?"
        raise KafkaError(Problem("SRV598", message, hint=hint))
