"""A project in a real git repository, whose commits have times and people of the test's choice."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from servestack.resolve.lock import Lock, LockedArtifact, read_lock, write_lock
from tests.support.services import ARTIFACT, ENVIRONMENT, SPEC, merged, write

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
ADA, BOB = "Ada <ada@example.com>", "Bob <bob@example.com>"


@dataclass
class Repository:
    """A git repository. Its clock moves on by a day with each commit."""

    root: Path
    clock: datetime = field(default=BEGIN)

    @classmethod
    def of_project(cls, root: Path) -> Repository:
        """iris in staging and prod, version 1 in both, committed."""
        for name in ("staging", "prod"):
            own = {"name": name, "namespace": f"models-{name}", "ingress": {"hostSuffix": name}}
            write(root / f"stacks/{name}.yaml", merged(ENVIRONMENT, own))
            set_version(root, name, "1")
        write(root / "models/iris.yaml", merged(SPEC, {"owner": "growth"}))
        repository = cls(root)
        repository.git("init", "-q", "-b", "main")
        repository.commit("first")
        return repository

    def git(self, *arguments: str, author: str = ADA) -> str:
        name, _, address = author.removesuffix(">").partition(" <")
        time = self.clock.isoformat()
        variables = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", name), ("EMAIL", address), ("DATE", time))
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=os.environ | variables, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, message: str, author: str = ADA) -> str:
        """Commit everything, and return the commit's id."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, author=author)
        self.clock += timedelta(days=1)
        return self.git("rev-parse", "HEAD")

    def move(self, environment: str, version: str, message: str = "", author: str = ADA) -> str:
        """Lock iris at another version, and commit it."""
        set_version(self.root, environment, version)
        return self.commit(message or f"iris: version {version} in {environment}", author)

    def merge(self, branch: str, message: str, author: str = BOB) -> str:
        self.git("merge", "-q", "--no-ff", "-m", message, branch, author=author)
        self.clock += timedelta(days=1)
        return self.git("rev-parse", "HEAD")


def artifact(version: str, **facts: Any) -> LockedArtifact:
    """A version of iris, with a digest of its own."""
    own = {"version": version, "sha256": f"{int(version):064x}", "run_id": f"run{version}"}
    return LockedArtifact(**({"uri": "models:/iris@production"} | ARTIFACT | own | facts))


def set_lines(root: Path, environment: str, service: str, **artifacts: LockedArtifact) -> None:
    """Write a service's lines into a lock, as `lock` does. Without artifacts they go."""
    file = root / f"stacks/{environment}.lock.yaml"
    models = dict(read_lock(file, environment).models)
    models.pop(service, None)
    if artifacts:
        models[service] = {name.replace("_", "-"): one for name, one in artifacts.items()}
    write_lock(file, Lock(environment, models))


def set_version(root: Path, environment: str, version: str, **facts: Any) -> None:
    """Lock iris at a version."""
    set_lines(root, environment, "iris", iris=artifact(version, **facts))
