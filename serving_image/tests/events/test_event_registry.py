"""Offsets as Filebeat 7.17 writes them: in a log that continues a checkpoint."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import pytest

from servestack_server.events.registry import Registry

NAMES = {"predictions-a.ndjson", "predictions-b.ndjson"}


def entry(name: str, offset: str, *, source_first: bool = False) -> str:
    """What a log or a checkpoint says of a file."""
    parts = [
        f'"cursor":{{"offset":{offset}}}',
        f'"meta":{{"source":"/events/{name}","identifier_name":"fingerprint"}}',
    ]
    return ",".join(reversed(parts) if source_first else parts)


def log_line(name: str, offset: str) -> str:
    state = f'{{"k":"filestream::x::01","v":{{"ttl":0,{entry(name, offset)}}}}}'
    return f'{{"op":"set","id":7}}\n{state}\n'


def checkpoint(*entries: str) -> str:
    states = [f'{{"_key":"filestream::x::01","ttl":0,{one}}}' for one in entries]
    return f"[{','.join(states)}]"


def test_the_last_word_counts(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text(
        log_line("predictions-a.ndjson", "100")
        + log_line("predictions-b.ndjson", "50")
        + log_line("predictions-a.ndjson", "200")
        + log_line("predictions-gone.ndjson", "300")
    )
    registry = Registry(tmp_path)
    registry.read(NAMES)
    assert registry.offsets == {"predictions-a.ndjson": 200, "predictions-b.ndjson": 50}
    with log.open("a") as stream:
        stream.write(log_line("predictions-b.ndjson", "1.700085e+06"))
    registry.read(NAMES)
    assert registry.offsets["predictions-b.ndjson"] == 1_700_085


def test_a_torn_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    text = log_line("predictions-a.ndjson", "1234")
    registry = Registry(tmp_path)
    for end in range(len(text)):
        log.write_text(text[:end])
        registry.read(NAMES)
        assert registry.offsets == {}
    log.write_text(text)
    registry.read(NAMES)
    assert registry.offsets == {"predictions-a.ndjson": 1234}


def test_the_log_continues_the_newest_checkpoint(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text(log_line("predictions-a.ndjson", "10"))
    registry = Registry(tmp_path)
    registry.read(NAMES)
    (tmp_path / "9.json").write_text(checkpoint(entry("predictions-a.ndjson", "9")))
    (tmp_path / "20.json").write_text(
        checkpoint(
            entry("predictions-a.ndjson", "2e+06", source_first=True),
            entry("predictions-b.ndjson", "5"),
        )
    )
    (tmp_path / "30.json.new").write_text("[")
    log.write_text("")
    registry.read(NAMES)
    assert registry.offsets == {"predictions-a.ndjson": 2_000_000, "predictions-b.ndjson": 5}
    log.write_text(log_line("predictions-a.ndjson", "2.000001e+06"))
    registry.read(NAMES)
    assert registry.offsets["predictions-a.ndjson"] == 2_000_001


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"\xff\x00" * 100_000, b"{" * 3_000_000, b'"cursor":{"offset":1}\n']
)
def test_what_is_no_registry_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.json").write_bytes(content)
    (tmp_path / "1.json").write_bytes(content)
    registry = Registry(tmp_path)
    registry.read(NAMES)
    assert registry.offsets == {}


def test_a_registry_that_is_missing_says_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "missing")
    registry.read(NAMES)
    assert registry.offsets == {}


def test_only_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log is up to 10 MiB long and is looked at every second."""
    log = tmp_path / "log.json"
    log.write_text(log_line("predictions-a.ndjson", "1") * 1000)
    registry = Registry(tmp_path)
    registry.read(NAMES)
    seen: list[bytes] = []
    take = registry._take

    def noted(piece: bytes, names: Container[str]) -> None:
        seen.append(piece)
        take(piece, names)

    monkeypatch.setattr(registry, "_take", noted)
    registry.read(NAMES)
    assert seen == []
    with log.open("a") as stream:
        stream.write(log_line("predictions-a.ndjson", "2"))
    registry.read(NAMES)
    assert len(seen) == 2
    assert registry.offsets == {"predictions-a.ndjson": 2}


def test_a_new_log_in_the_same_place_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text(log_line("predictions-a.ndjson", "1"))
    registry = Registry(tmp_path)
    registry.read(NAMES)
    new = tmp_path / "new"
    new.write_text(log_line("predictions-a.ndjson", "2") + log_line("predictions-b.ndjson", "3"))
    new.replace(log)
    registry.read(NAMES)
    assert registry.offsets == {"predictions-a.ndjson": 2, "predictions-b.ndjson": 3}
