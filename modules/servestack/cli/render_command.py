"""`servestack render`."""

from __future__ import annotations

from pathlib import Path

import typer

from servestack.cli.output import say, write
from servestack.project import RENDERED_FOLDER, build_environment, chosen_environments
from servestack.render.tree import check_tree, to_stream, write_texts
from servestack.rendering import render_checked


def render(root: Path, names: list[str] | None, *, check: bool, stdout: bool) -> None:
    """Render environments. With `check` only compare, with `stdout` only print."""
    stale = 0
    for name in chosen_environments(root, names):
        if check:
            stale += _check(root, name)
            continue
        texts = render_checked(root, name)
        if stdout:
            for document in to_stream(texts):
                write(document)
            continue
        folder = RENDERED_FOLDER / name
        result = write_texts(root / folder, texts)
        total = len(result.written) + len(result.unchanged)
        say(f"{folder}: {total} files, {len(result.written)} written, {len(result.pruned)} pruned")
        for path in result.foreign:
            say(f"{folder / path}: left as it is; servestack did not write it")
    if stale:
        raise typer.Exit(1)


def _check(root: Path, name: str) -> int:
    folder = RENDERED_FOLDER / name
    stale = check_tree(root / folder, build_environment(root, name).manifests)
    for file in stale:
        say(f"{folder / file.path}: {file.why}")
    say(f"{folder}: {f'{len(stale)} stale; run `servestack render {name}`' if stale else 'fresh'}")
    return len(stale)
