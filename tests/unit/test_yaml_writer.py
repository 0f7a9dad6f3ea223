"""What is written reads back the same in PyYAML's two parsers and in kubectl's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from servestack.yaml_writer import dump

NASTY = [
    " ",
    "yes",
    "No",
    "on",
    "y",
    "1",
    "1.5",
    "0x1f",
    "0o7",
    "017",
    "1_000",
    "1:30",
    "2020-01-01",
    "2020-01-01T00:00:00Z",
    "a: b",
    "a #b",
    "#a",
    "a:",
    "-\n- a",
    "--- ",
    "---",
    "...",
    "~",
    "null",
    "NULL",
    "=",
    "<<",
    "? a",
    "!a",
    "&a",
    "*a",
    "%a",
    "@a",
    "`a",
    "{a",
    "[a",
    "a]",
    "'a",
    '"a',
    " a",
    "a ",
    "\ta",
    "a\tb",
    "1e5",
    "1e+5",
    ".5",
    "+1\n-1",
    "-a",
    "--a",
    ".inf",
    "-.INF",
    ".nan",
    "0b1",
    "1,000",
    "12e",
    "e5",
    "0.",
    "._1",
    "$HOME",
    "a{b}c",
    "a, b",
    "k:v",
    "::",
    "a::",
    ">",
    ">a",
    "^a",
    "=a",
    "<a",
    "/x/y",
    ".\n..",
    "0",
    "00",
    "08",
    "0.0.0",
    "10.0.0.0/8",
    "-0",
    "+",
    "_",
    "_1",
    "0x",
    "500m",
    "1Mi",
    "~a",
    "é",
    "😀",
    "a\\b",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufeff",
    "a\r\nb",
]
NASTY += [
    "",
    "a\n",
    "\n",
    "a\nb",
    "a\n\n\nb\n\n",
    " a\nb",
    "a\n b",
    "a \nb",
    "a\nb \n",
    "\na",
    "a\n\tb",
]


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
def test_nasty_text(text: str, loader: Any) -> None:
    data = {"key": text, "list": [text, [text], {"a": text}], text or "empty": 1}
    assert yaml.load(dump(data), loader) == data


def test_kubectl_reads_the_same(tmp_path: Path) -> None:
    """kubectl's parser is Go's; `--local` needs no cluster."""
    data = {f"key-{i}": text for i, text in enumerate(NASTY) if "\x7f" not in text}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    file = tmp_path / "a.yaml"
    file.write_text(dump(body), newline="")
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [kubectl, "annotate", "--local", "-f", file, "a=b", "-o", "json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["data"] == data


@pytest.mark.parametrize("value", [None, {1: 2}, {"a": None}, {"a": {1}}, {"a": float("nan")}])
def test_what_is_not_plain_data_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        dump(value if isinstance(value, dict) else {"a": value})


def test_reads_like_kubectl_writes() -> None:
    body = {
        "metadata": {"labels": {"version": "3", "team": "ml"}},
        "args": ["serve", "--port=80", "- x"],
        "env": [{"name": "A", "value": "true"}, {"name": "B"}],
        "empty": {"list": [], "map": {}},
        "script": "set -e\nrun\n",
    }
    assert dump(body) == (
        "metadata:\n  labels:\n    version: \"3\"\n    team: ml\n"
        "args:\n- serve\n- --port=80\n- \"- x\"\n"
        "env:\n- name: A\n  value: \"true\"\n- name: B\n"
        "empty:\n  list: []\n  map: {}\n"
        "script: |\n  set -e\n  run\n"
    )  # fmt: skip
