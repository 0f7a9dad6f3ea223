"""What Prometheus computes about drift from counters, by its own promtool."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from tools.install import install

Labels = Mapping[str, str]
_MINUTES = 80
_EVALUATED = "70m"
_SAMPLE = re.compile(r'\{((?:[a-z_]+="(?:[^"\\]|\\.)*"(?:, )?)*)\} ([-+0-9.eE]+|NaN|[-+]Inf)')
_LABEL = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*")')


def series(name: str, labels: Labels, values: str) -> dict[str, str]:
    """One series of promtool's input."""
    inside = ", ".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
    return {"series": f"{name}{{{inside}}}", "values": values}


def counted(name: str, labels: Labels, value: float) -> dict[str, str]:
    """A counter that rises from 0 to a value within the last hour."""
    return series(name, labels, f"0x19 {value!r}x{_MINUTES}")


def constant(name: str, labels: Labels, value: float) -> dict[str, str]:
    """A gauge that stays as it is."""
    return series(name, labels, f"{value!r}x{_MINUTES + 20}")


def recorded(
    folder: Path,
    groups: Sequence[Mapping[str, Any]],
    given: Sequence[Mapping[str, str]],
    expressions: Sequence[str],
    *,
    at: str = _EVALUATED,
) -> dict[str, list[tuple[dict[str, str], float]]]:
    """(labels, value) of the samples of each expression, once the rules have run for a while."""
    rules, test = folder / "drift-rules.yaml", folder / "drift-test.yaml"
    rules.write_text(yaml.safe_dump({"groups": list(groups)}))
    asked = [{"expr": expr, "eval_time": at, "exp_samples": []} for expr in expressions]
    body = {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": list(given), "promql_expr_test": asked}],
    }
    test.write_text(yaml.safe_dump(body))
    done = subprocess.run(
        [install("promtool"), "test", "rules", test], capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert "FAILED" in output or done.returncode == 0, output
    found: dict[str, list[tuple[dict[str, str], float]]] = {expr: [] for expr in expressions}
    # Each expression without a sample is as expected, and not told.
    for block in output.split("expr: ")[1:]:
        expr = json.loads(block[: block.index(", time:")])
        got = block.partition("got:")[2]
        for inside, value in _SAMPLE.findall(got):
            labels = {key: json.loads(text) for key, text in _LABEL.findall(inside)}
            found[expr].append((labels, float(value)))
    return found
