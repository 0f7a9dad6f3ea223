"""`servestack render`."""

from __future__ import annotations

from pathlib import Path

import typer

from servestack.cli.orphans_command import note_orphans, prune_orphans
from servestack.cli.output import say, write
from servestack.errors import Problem, SpecError
from servestack.project import RENDERED_FOLDER, build_environment, chosen_environments
from servestack.render.tree import check_tree, to_stream, write_texts
from servestack.rendering import render_checked
from servestack.review.gate import refuse_claims
from servestack.spec.model_files import Selection
from servestack.words import counted


def render(
    root: Path,
    names: list[str] | None,
    *,
    check: bool,
    stdout: bool,
    prune: bool = False,
    selection: Selection | None = None,
) -> None:
    """Render environments. With `check` only compare, with `stdout` only print.

    With a selection, the files of other models are neither written nor compared. With `prune`, what
    is left of environments that do not exist is deleted, else it is reported.
    """
    if prune and (check or stdout or selection is not None):
        hint = "use --prune without --check, --stdout, --model and --folder"
        raise SpecError(Problem("SRV210", "these options of render exclude each other", hint=hint))
    stale = 0
    chosen = chosen_environments(root, names)
    refuse_claims(root, chosen)
    for name in chosen:
        if check:
            stale += _check(root, name, selection)
            continue
        resolved, texts = render_checked(root, name, selection)
        if stdout:
            for document in to_stream(texts):
                write(document)
            continue
        folder = RENDERED_FOLDER / name
        result = write_texts(root / folder, texts, resolved.covers)
        total = len(result.written) + len(result.unchanged)
        say(
            f"{folder}: {counted(total, 'file')}, {len(result.written)} written, {len(result.pruned)} pruned"
        )
        for path in result.foreign:
            say(f"{folder / path}: left as it is; servestack did not write it")
    if prune:
        prune_orphans(root)
    elif not names and not stdout and selection is None:
        orphans = note_orphans(root)
        stale += len(orphans) if check else 0
    if stale:
        raise typer.Exit(1)


def _check(root: Path, name: str, selection: Selection | None) -> int:
    folder = RENDERED_FOLDER / name
    built = build_environment(root, name, selection)
    stale = check_tree(root / folder, built.manifests, built.covers)
    for file in stale:
        say(f"{folder / file.path}: {file.why}")
    say(f"{folder}: {f'{len(stale)} stale; run `servestack render {name}`' if stale else 'fresh'}")
    return len(stale)
