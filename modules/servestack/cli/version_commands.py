"""`servestack promote`, `rollback`, `history`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from servestack.cli.output import say, write
from servestack.errors import Problem, ResolveError
from servestack.project import lock_file
from servestack.resolve.lock import write_lock
from servestack.resolve.lock_lines import version_words
from servestack.versions.carrying import Carried, Target, find_target
from servestack.versions.history import read_history
from servestack.versions.history_report import artifact_data, history_json, history_text
from servestack.versions.promotion import promote as prepare
from servestack.versions.promotion_report import (
    moved,
    promotion_github,
    promotion_json,
    promotion_text,
)
from servestack.versions.rollback import Rollback, roll_back


@dataclass(frozen=True, slots=True)
class PromoteOptions:
    """The command's options as they were typed."""

    prometheus: str | None = None
    reports: Sequence[Path] = ()
    output: str = "text"
    dry_run: bool = False


def promote(root: Path, model: str, source: str, target: str, options: PromoteOptions) -> None:
    """Bring a model's locked version to another environment, and print the evidence for it."""
    found = prepare(
        root,
        model,
        source,
        target,
        now=datetime.now(UTC),
        prometheus=options.prometheus,
        reports=options.reports,
    )
    done = _write(root, found.target, found.carried, dry_run=options.dry_run)
    if options.output == "json":
        write(promotion_json(found, done=done))
    elif found.carried.is_same:
        versions = version_words(found.carried.after)
        write(f"{model}: {target} already has version {versions}; nothing was written\n")
    elif options.output == "github":
        write(promotion_github(found))
    else:
        write(promotion_text(found, done=done))


def rollback(
    root: Path, model: str, environment: str, to: str | None, output: str, *, dry_run: bool
) -> None:
    """Bring an earlier version of a model back from git, and print what changes."""
    found = roll_back(root, model, environment, to)
    done = _write(root, found.target, found.carried, dry_run=dry_run)
    write(_rollback_json(found, done) if output == "json" else _rollback_text(found, done))


def history(root: Path, model: str, environment: str, output: str) -> None:
    """Print which version of a model the lock of an environment had, and when."""
    now = datetime.now(UTC)
    found = read_history(root, environment, model)
    if not found.periods:
        find_target(root, environment, model)  # It says which of the names is wrong.
        message = f"git has no version of {model} in {environment}"
        hint = f"lock it, and commit {lock_file(environment).as_posix()}"
        raise ResolveError(Problem("SRV574", message, hint=hint))
    if found.is_cut:
        say("this clone is shallow, so older versions are not shown: git fetch --unshallow")
    write(history_json(found, now) if output == "json" else history_text(found, now))


def _write(root: Path, target: Target, carried: Carried, *, dry_run: bool) -> bool:
    """Write the lock unless it has these versions already. Returns whether it was written."""
    if carried.is_same or dry_run:
        return False
    written = write_lock(root / target.file, carried.lock)
    say(f"{target.file}: {'written' if written else 'unchanged'}")
    say(f"next: servestack render {target.environment}, then commit {target.file} and rendered/")
    return written


def _rollback_text(found: Rollback, done: bool) -> str:
    carried, target = found.carried, found.target
    if carried.is_same:
        versions = version_words(carried.after)
        return (
            f"{target.name}: {target.environment} already has version {versions}; "
            "nothing was written\n"
        )
    lines = [
        f"{target.name}: {target.environment}, {moved(carried.before, carried.after)}"
        f"{'' if done else ' (nothing written)'}",
        f"  from commit   {found.revision[:12]}"
        + (f" {found.period.since.subject}" if found.period else ""),
    ]
    lines += [f"  sha256   {line.sha256}" for line in carried.after if line.sha256]
    lines += [f"  address of {name}   {old} → {new}" for name, old, new in carried.readdressed]
    lines += [f"  effect   {effect}" for effect in carried.effects]
    lines += [f"  note   {note}" for note in carried.notes]
    return "".join(f"{line}\n" for line in lines)


def _rollback_json(found: Rollback, done: bool) -> str:
    carried = found.carried
    data = {
        "version": 1,
        "model": found.target.name,
        "environment": found.target.environment,
        "written": done,
        "alreadyThere": carried.is_same,
        "commit": found.revision,
        "before": [artifact_data(line) for line in carried.before],
        "after": [artifact_data(line) for line in carried.after],
        "readdressed": [
            {"name": name, "from": old, "to": new} for name, old, new in carried.readdressed
        ],
        "effects": list(carried.effects),
        "notes": list(carried.notes),
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
