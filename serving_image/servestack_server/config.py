"""What the server is told: the settings file that is rendered, and the pins of its arguments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from servestack_server.errors import StartError

ColumnType = Literal[
    "boolean", "integer", "long", "float", "double", "string", "binary", "datetime"
]
"""The column types of an MLflow signature."""


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """Base of every section. Unknown keys are left alone: the file may be newer than the image."""


class ModelPlace(Settings, frozen=True):
    """A model of the service, and the file or folder that holds it."""

    name: str
    path: str


class Trust(Settings, frozen=True):
    """What the spec vouches for before anything is deserialised."""

    pickle: bool = False
    code: bool = False
    skops_types: tuple[str, ...] = ()


class Column(Settings, frozen=True):
    """One column of the input table, with the values it may take."""

    name: str
    type: ColumnType
    required: bool = True
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str | int | float | bool, ...] | None = None


class Tensor(Settings, frozen=True):
    """The input as one array; -1 is any length, the first axis is the batch."""

    dtype: str
    shape: tuple[int, ...]


class Input(Settings, frozen=True):
    """What the models take: columns, one tensor, or nothing known."""

    columns: tuple[Column, ...] | None = None
    tensor: Tensor | None = None
    example: Any = None


class Batching(Settings, frozen=True):
    """Rows of several requests predicted in one call."""

    max_batch_size: int = 64
    max_latency_ms: float = 5.0


class Limits(Settings, frozen=True):
    """What one request may ask for."""

    max_body_bytes: int = 4 << 20
    max_rows: int = 10_000
    max_queue: int = 512
    timeout_seconds: float = 30.0


class ApiKeys(Settings, frozen=True):
    """The file with the accepted keys, one a line, and the header that carries one."""

    file: str
    header: str = "X-API-Key"


class PredictionLog(Settings, frozen=True):
    """What a prediction event holds. `redact` maps a column to drop or hash."""

    sample: float = 1.0
    inputs: bool = True
    outputs: bool = True
    redact: dict[str, Literal["drop", "hash"]] = {}


class Events(Settings, frozen=True):
    """Where events go. `kinds` holds those that are shipped; the others are not written.

    `registry` is the folder in which Filebeat keeps what Kafka has taken; without it nobody ships.
    """

    folder: str
    source: str
    kinds: tuple[str, ...] = ()
    max_event_bytes: int = 1 << 20
    disk_budget_bytes: int = 256 << 20
    when_full: Literal["drop", "unready"] = "drop"
    registry: str | None = None
    predictions: PredictionLog | None = None


class Metrics(Settings, frozen=True):
    """Buckets of the request duration, and whether inputs are counted for drift."""

    latency_buckets_seconds: tuple[float, ...] = (
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    )  # fmt: skip
    drift: bool = False


class Shutdown(Settings, frozen=True):
    """Longest time that requests in flight are given after SIGTERM."""

    request_seconds: float = 30.0


class ServiceConfig(Settings, frozen=True):
    """The whole settings file."""

    name: str
    models: tuple[ModelPlace, ...]
    environment: str = "local"
    description: str = ""
    base_path: str = ""
    port: int = 8080
    runtime: Literal["auto", "onnx", "native"] = "auto"
    trust: Trust = Trust()
    input: Input = Input()
    limits: Limits = Limits()
    error_style: Literal["status", "ok200"] = "status"
    shutdown: Shutdown = Shutdown()
    events: Events | None = None
    metrics: Metrics = Metrics()
    graph: dict[str, Any] | None = None
    batching: Batching | None = None
    api_keys: ApiKeys | None = None

    @property
    def path(self) -> str:
        """Path before /predict, without a trailing slash."""
        return self.base_path or f"/v1/{self.name}"


def read_config(file: Path) -> ServiceConfig:
    """Read the settings file. StartError names the field that is wrong."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=ServiceConfig)
    except OSError as error:
        raise StartError(f"{file}: cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StartError(f"{file}: {error}", "render the settings again with servestack") from None


class Pin(msgspec.Struct, frozen=True):
    """`NAME=VALUE#sha256=HEX` of an argument; `sha256` is empty where nothing is pinned."""

    name: str
    value: str
    sha256: str = ""


_PIN = re.compile(r"(?P<name>[a-z0-9-]+)=(?P<value>.+?)(?:#sha256=(?P<sha256>[0-9a-f]{64}))?")


def parse_pin(text: str) -> Pin:
    """A `--artifact` or `--model` argument. StartError for another form."""
    match = _PIN.fullmatch(text)
    if match is None:
        raise StartError(f"{text!r} is not NAME=VALUE#sha256=HEX")
    return Pin(match["name"], match["value"], match["sha256"] or "")
