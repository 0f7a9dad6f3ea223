"""Objects full of texts that look like something else read back exactly, by every parser."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from servestack.yaml_writer import dump

KUBECTL = Path(sys.executable).parent / "kubectl"
NASTY_CHARACTERS = "\n\n  \t\r-:#'\"|>?,[]{}&*!%@`~\\0123456789._+=<eExobyYnNtTfF\x00\x7f\x85\xa0\u2028\u2029\u200b\ufeff\ufffe漢😀"
NASTY_WORDS = [
    "yes",
    "no",
    "on",
    "off",
    "null",
    "~",
    "Null",
    "TRUE",
    "oN",
    "y",
    "N",
    "=",
    "<<",
    "-",
    "--",
    "---",
    "...",
    "?",
    "|",
    ">",
    "0x1f",
    "0o17",
    "017",
    "08",
    "1e3",
    "1E5",
    "1.5e+3",
    "1_000",
    "1,000",
    "0b11",
    "1:30",
    "190:20:30",
    "685.230_15e+03",
    "2001-01-01",
    "2001-1-1",
    ".inf",
    "-.INF",
    ".nan",
    "NaN",
    "1.",
    "._1",
    "_1",
    "0.1.2",
    "1e400",
    "+.5",
    "-0",
    "+1",
    "0001",
    "18446744073709551616",
    "2001-01-01T00:00:00Z",
]
NASTY_WORDS += ["", " ", "\n", "a: b", "a:b", "a:", "a #b", "a#b", "- a", "? a", " a", "a ", "\ta"]
NASTY_WORDS += [
    "a\n",
    "a\n\n",
    "\na",
    " a\nb",
    "a\n b",
    "a\n\tb",
    "a\nb ",
    "a\r\nb",
    "#\n#",
    "---\na",
]

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text(st.sampled_from(NASTY_CHARACTERS), max_size=20),
    st.sampled_from(NASTY_WORDS),
)
scalars = st.one_of(
    texts,
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
documents = st.dictionaries(texts, values, min_size=1, max_size=5)


@given(documents)
def test_reads_back_exactly_in_python(document: dict[str, Any]) -> None:
    text = dump(document)
    # repr tells 1 from 1.0 and True, and -0.0 from 0.0, and keeps the order of keys.
    assert repr(yaml.load(text, yaml.SafeLoader)) == repr(document)
    assert repr(yaml.load(text, yaml.CSafeLoader)) == repr(document)
    assert dump(document) == text


def _nasty(count: int, seed: int) -> list[dict[str, Any]]:
    """Objects that are full of texts which look like something else."""
    chance = random.Random(seed)

    def text() -> str:
        if chance.random() < 0.5:
            return chance.choice(NASTY_WORDS)
        return "".join(chance.choice(NASTY_CHARACTERS) for _ in range(chance.randint(0, 14)))

    def thing(number: int) -> dict[str, Any]:
        nested = [text(), [text(), []], {}, {text(): [text(), {text(): text()}]}]
        numbers = [chance.uniform(-1, 1) * 10.0 ** chance.randint(-30, 9), chance.getrandbits(63)]
        pairs = {text(): text() for _ in range(8)}
        return {
            "apiVersion": "example.com/v1",
            "kind": "Thing",
            "metadata": {"name": f"thing-{number}", "labels": {"of": "tests"}},
            "spec": {"pairs": pairs, "nested": nested, "numbers": [*numbers, True, 0, 1.5]},
        }

    return [thing(number) for number in range(count)]


def test_reads_back_exactly_in_kubectl(tmp_path: Path) -> None:
    things = _nasty(1500, seed=20)
    file = tmp_path / "things.yaml"
    file.write_text("---\n".join(dump(thing) for thing in things), encoding="utf-8", newline="\n")
    command = [str(KUBECTL), "label", "--local", "-f", str(file), "-o", "json", "of=tests"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    decoder, rest, read = json.JSONDecoder(), run.stdout.strip(), []
    while rest:
        thing, end = decoder.raw_decode(rest)
        read.append(thing)
        rest = rest[end:].lstrip()
    assert read == things


def test_the_bytes_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "import sys; from tests.unit.render.test_parsers import _nasty, dump; "
        "sys.stdout.buffer.write('---\\n'.join(dump(t) for t in _nasty(50, 7)).encode())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 10_000


def test_never_folds_a_line() -> None:
    text = "word " * 2000 + "end"
    assert dump({"text": text}).count("\n") == 1
