"""The main job on real input: train, register, lock, render, check, diff; then a better version.

    make demo

Works in .demo/, which is created from scratch each time: an MLflow with a sqlite database and
artifacts in a folder, this repository's model and environments, and a git repository for the diffs.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
DEMO = REPOSITORY / ".demo"
ENVIRONMENTS = ("dev", "prod")
SERVESTACK = Path(sys.executable).with_name("servestack")


def main() -> int:
    started = time.monotonic()
    make_project()
    say("1. A data scientist trains a first model and registers it (MLflow, sqlite, local folder)")
    registry = Registry()
    first = registry.register(regularization=1000)
    say(
        f"   version 1: {first:.1%} of held-out flowers are classified correctly; alias production → 1"
    )
    show(DEMO / "models/iris.yaml")
    say("2. The spec is locked, rendered, checked")
    for environment in ENVIRONMENTS:
        run("lock", environment)
        run("render", environment)
        run("check", environment)
        run("diff", environment)
    git("add", "-A")
    git("commit", "-q", "-m", "Serve iris")
    say("3. A better version is registered, and the alias moved")
    second = registry.register(regularization=0.1)
    say(f"   version 2: {second:.1%} are classified correctly; alias production → 2")
    before = {name: lock_file(name).read_text() for name in ENVIRONMENTS}
    for environment in ENVIRONMENTS:
        run("lock", environment)
    say("4. What the reviewer sees: one line of the lock …")
    changed = show_lock_change(before["prod"], lock_file("prod").read_text())
    say("… and one pod template")
    run("diff", "prod", "--against", "HEAD", expected=2)
    run("explain", "iris", "prod", "autoscaling.inFlightPerPod")
    run("render", *ENVIRONMENTS)
    files = git("status", "--porcelain", "rendered").splitlines()
    say(f"Done in {time.monotonic() - started:.0f} s. Rendered files that changed: {len(files)}")
    say(f"Look around in {DEMO.relative_to(REPOSITORY)}/: models/, stacks/, rendered/")
    if second <= first or changed != 1 or len(files) != len(ENVIRONMENTS):
        say("The demo did not do what it promises: see above.")
        return 1
    return 0


def make_project() -> None:
    """A fresh project with this repository's model and environments, and an MLflow of its own."""
    shutil.rmtree(DEMO, ignore_errors=True)
    for folder in ("models", "stacks"):
        shutil.copytree(
            REPOSITORY / folder, DEMO / folder, ignore=shutil.ignore_patterns("*.lock.*")
        )
    for name in ENVIRONMENTS:
        file = DEMO / f"stacks/{name}.yaml"
        text = file.read_text()
        file.write_text(text.replace("http://127.0.0.1:5000", tracking_uri()))
    git("init", "-q", "-b", "main")
    (DEMO / ".gitignore").write_text("mlflow/\n")


def tracking_uri() -> str:
    return f"sqlite:///{DEMO}/mlflow/mlflow.db"


def lock_file(environment: str) -> Path:
    return DEMO / f"stacks/{environment}.lock.yaml"


class Registry:
    """An MLflow in this process: sqlite and a folder."""

    def __init__(self) -> None:
        os.environ |= {"MLFLOW_LOGGING_LEVEL": "ERROR", "MLFLOW_DISABLE_TELEMETRY": "true"}
        warnings.simplefilter("ignore")
        (DEMO / "mlflow").mkdir()
        say("   loading mlflow and scikit-learn …")
        import mlflow
        from sklearn.datasets import load_iris
        from sklearn.model_selection import train_test_split

        mlflow.set_tracking_uri(tracking_uri())
        mlflow.create_experiment("iris", artifact_location=(DEMO / "mlflow/artifacts").as_uri())
        mlflow.set_experiment("iris")
        data, species = load_iris(return_X_y=True, as_frame=True)
        data.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
        self._split = train_test_split(
            data, species, test_size=0.4, random_state=7, stratify=species
        )
        self._mlflow = mlflow

    def register(self, regularization: float) -> float:
        """Train, log, register, move the alias. Returns the accuracy on held-out flowers."""
        from mlflow.models import infer_signature
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        train, test, train_species, test_species = self._split
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / regularization))
        model.fit(train, train_species)
        with self._mlflow.start_run():
            info: Any = self._mlflow.sklearn.log_model(
                model,
                name="model",
                serialization_format="skops",
                signature=infer_signature(train, model.predict(train)),
                input_example=train.head(1),
                registered_model_name="iris",
            )
        client = self._mlflow.MlflowClient()
        client.set_registered_model_alias("iris", "production", info.registered_model_version)
        return float(model.score(test, test_species))


def run(*arguments: str, expected: int = 0) -> None:
    """Run servestack as a user would, showing the command and what it says."""
    say(f"\n$ servestack {' '.join(arguments)}")
    done = subprocess.run([SERVESTACK, *arguments], cwd=DEMO, check=False)
    if done.returncode != expected:
        say(f"servestack {arguments[0]} exited with {done.returncode}, not {expected}")
        raise SystemExit(1)


def show(file: Path) -> None:
    say(f"\n{file.relative_to(DEMO)}:")
    for line in file.read_text().splitlines():
        say(f"   {line}")
    say("")


def show_lock_change(old: str, new: str) -> int:
    """Print the changed lines; returns how many lines are new."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1))[2:]
    for line in lines:
        say(f"   {line if len(line) < 160 else line[:160] + '…'}")
    return sum(line.startswith("+") for line in lines)


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=demo", "-c", "user.email=demo@example.com"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=DEMO, check=True, capture_output=True, text=True
    ).stdout


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
