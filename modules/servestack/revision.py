"""Builds a project as it was at a git revision, with the current builders."""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path

from servestack.errors import Problem, ResolveError
from servestack.git import run_git
from servestack.project import STACKS_FOLDER, Built, build_environment
from servestack.spec.model_files import MODELS_FOLDER


def build_at_revision(root: Path, environment: str, revision: str) -> Built | None:
    """Build an environment from its files at a git revision.

    Returns None if the environment did not exist at that revision. Raises ResolveError if git
    cannot be run (SRV231) or does not know the revision (SRV232), and ServestackError if the files
    of that revision are not valid.
    """
    if revision.startswith("-"):
        raise _unknown(revision, "")
    commit = run_git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if commit.returncode:
        raise _unknown(revision, commit.stderr.decode(errors="replace").strip())
    name = commit.stdout.decode().strip()
    folders = [
        folder.as_posix()
        for folder in (MODELS_FOLDER, STACKS_FOLDER)
        if not run_git(root, "cat-file", "-e", f"{name}:./{folder.as_posix()}").returncode
    ]
    if len(folders) < 2:
        return None
    archive = run_git(root, "archive", "--format=tar", name, *folders)
    if archive.returncode:
        raise _unknown(revision, archive.stderr.decode(errors="replace").strip())
    with tempfile.TemporaryDirectory(prefix="servestack-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
        if not (Path(folder) / STACKS_FOLDER / f"{environment}.yaml").exists():
            return None
        return build_environment(Path(folder), environment)


def _unknown(revision: str, reason: str) -> ResolveError:
    hint = reason or "name a commit, a branch or a tag"
    return ResolveError(
        Problem("SRV232", f"git does not know the revision {revision!r}", hint=hint)
    )
