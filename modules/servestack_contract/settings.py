"""The settings file of the model server, `service.json`: one struct for each of its objects.

The generator makes a ServerSettings and writes it with `to_plain`. The server reads it with
`read_settings`, which refuses unknown keys. Keys are camelCase in the file. The name of a size or a
time ends with its unit.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, TypeAlias

import msgspec
import msgspec.structs

from servestack_contract.events import Kind
from servestack_contract.metrics import REQUEST_SECONDS_BUCKETS

FILE = "service.json"
"""Name of the settings file in its ConfigMap."""

DEFAULT_KEY_HEADER = "X-API-Key"

ColumnType = Literal[
    "boolean", "integer", "long", "float", "double", "string", "binary", "datetime",
    "array", "object", "map", "any",
]  # fmt: skip
"""The column types of an MLflow signature. `any` is not checked."""
NESTED_TYPES = frozenset({"array", "object", "map", "any"})
"""Types whose values may hold other values."""
TensorType = Literal[
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "str",
]
"""Element types of a tensor, as numpy names them."""
Runtime = Literal["auto", "onnx", "native"]
ErrorStyle = Literal["status", "ok200"]
Protocol = Literal["seldon"]
"""Protocols that are spoken beside those that every service speaks."""
UnknownColumns = Literal["refuse", "ignore"]
CorsMethod = Literal["GET", "POST"]
WhenFull = Literal["drop", "unready"]
Durability = Literal["process", "buffered"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
Redaction = Literal["drop", "hash"]
Combination = Literal["mean", "median", "vote", "object"]
BanditAlgorithm = Literal["epsilonGreedy", "thompson"]


class Section(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Base of every object in the file."""


class ModelPlace(Section, frozen=True):
    """A model of the service, and the file or folder that holds it."""

    name: str
    path: str


class Trust(Section, frozen=True):
    """Artifact content that the owner trusts, since loading it can run code."""

    pickle: bool = False
    code: bool = False
    skops_types: tuple[str, ...] = ()


class Constraints(Section, frozen=True, kw_only=True, omit_defaults=True):
    """The values that something may take. What is not written has its default.

    There is one for each column, and thousands of columns must fit into a ConfigMap.

    `items` describes the elements of an array, `values` those of a map, whose keys are text, and
    `properties` the members of an object, each with its name.
    """

    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str | int | float | bool, ...] | None = None
    items: Element | None = None
    values: Element | None = None
    properties: tuple[Column, ...] | None = None

    @property
    def may_be_null(self) -> bool:
        """Whether null is taken. What may be left out may also be null, as in MLflow."""
        return self.nullable or not getattr(self, "required", True)


class Element(Constraints, frozen=True):
    """An element of an array or a map."""

    type: ColumnType


class Column(Constraints, frozen=True):
    """One column of the input table, or a property of an object.

    Only the single column of an input may have no name: its rows are then plain values.
    """

    name: str
    type: ColumnType
    required: bool = True


class Param(Constraints, frozen=True):
    """A value beside the rows, for a whole request. `default` stands in where it is left out."""

    name: str
    type: ColumnType
    default: Any = None


class Tensor(Section, frozen=True):
    """An input that is an array. The first axis of `shape` is the batch; -1 means any length.

    `name` is the model's own; None if the model does not ask for it by name.
    """

    dtype: TensorType
    shape: tuple[int, ...]
    name: str | None = None


class Input(Section, frozen=True):
    """The models' input: columns, one tensor, several named tensors, or nothing that is known.

    `unknown_columns` says what becomes of a request's other columns (None: they are refused).
    """

    columns: tuple[Column, ...] | None = None
    tensor: Tensor | None = None
    example: Any = None
    tensors: tuple[Tensor, ...] | None = None
    unknown_columns: UnknownColumns | None = None

    @property
    def arrays(self) -> tuple[Tensor, ...]:
        """The tensors, one or several; empty if the input is a table or not known."""
        return self.tensors or ((self.tensor,) if self.tensor is not None else ())

    @property
    def is_known(self) -> bool:
        """Whether anything describes the input."""
        return bool(self.columns or self.arrays)


class Limits(Section, frozen=True):
    """Limits of one request, and of a pod: `max_queue` counts the requests that wait in it, and
    `max_buffered_bytes` the bytes of bodies that it holds (None: by its memory)."""

    max_body_bytes: int = 4 << 20
    max_rows: int = 10_000
    max_queue: int = 512
    max_buffered_bytes: int | None = None
    timeout_seconds: float = 30


class Shutdown(Section, frozen=True):
    """Maximum time for requests in flight to finish after SIGTERM."""

    request_seconds: float = 30


class PredictionLog(Section, frozen=True):
    """Content of a prediction event. `sample` is a share up to 1; `redact` maps names of columns,
    tensors and params. `unit` is the header or column whose hash is logged as the unit of an
    experiment."""

    sample: float = 1.0
    inputs: bool = True
    outputs: bool = True
    redact: dict[str, Redaction] = {}
    unit: str | None = None


class Events(Section, frozen=True):
    """Where events go. The server writes only the kinds in `kinds`, which are shipped.

    `registry` is the folder where Filebeat records what Kafka has received. Without it, nothing
    ships the events. `durability` is `process` if it is left out.
    """

    folder: str
    source: str
    kinds: tuple[Kind, ...] = ()
    max_event_bytes: int = 1 << 20
    disk_budget_bytes: int = 256 << 20
    when_full: WhenFull = "drop"
    durability: Durability | None = None
    registry: str | None = None
    predictions: PredictionLog | None = None


class Drift(Section, frozen=True, omit_defaults=True):
    """What is counted for drift. `columns` names the inputs to watch (None: all, up to `max_columns`).

    Without a profile in the artifact, the first `baseline_rows` rows that a pod answers are one. Of
    more than `rows_per_second` rows in a pod, a sample is counted.
    """

    baseline_rows: int = 10_000
    max_columns: int = 50
    columns: tuple[str, ...] | None = None
    rows_per_second: int = 1000


class Metrics(Section, frozen=True):
    """Buckets of the request duration, and what is counted for drift: nothing, or all with defaults,
    or as the section says."""

    latency_buckets_seconds: tuple[float, ...] = REQUEST_SECONDS_BUCKETS
    drift: bool | Drift = False

    @property
    def watched(self) -> Drift | None:
        """What is counted for drift; None for nothing."""
        return self.drift if isinstance(self.drift, Drift) else Drift() if self.drift else None


class Branch(Section, frozen=True):
    """One branch of a split. `weight` is its share of the requests, in percent.

    `name` is what events call it; None: the name of its model.
    """

    node: Node
    weight: float
    name: str | None = None


class Split(Section, frozen=True, tag_field="kind", tag="split"):
    """A/B test: each request goes to one branch, by weight or by its value of `sticky_by`."""

    branches: tuple[Branch, ...]
    sticky_by: str | None = None


class Case(Section, frozen=True):
    """One case of a router."""

    equals: str | int | float | bool
    node: Node


class Router(Section, frozen=True, tag_field="kind", tag="router"):
    """Each row goes to the node that its value in `column` selects."""

    column: str
    cases: tuple[Case, ...]
    otherwise: Node


class Chain(Section, frozen=True, tag_field="kind", tag="chain"):
    """Each step takes the answer of the step before."""

    steps: tuple[Node, ...]


class Ensemble(Section, frozen=True, tag_field="kind", tag="ensemble"):
    """All nodes answer, and their answers are combined."""

    nodes: tuple[Node, ...]
    combine: Combination = "object"


class Bandit(Section, frozen=True, tag_field="kind", tag="bandit"):
    """Most requests go to the arm with the best reward so far; the others explore."""

    arms: tuple[Node, ...]
    algorithm: BanditAlgorithm = "epsilonGreedy"
    epsilon: float = 0.1
    reward: str = "reward"
    minimum_pulls: int = 20


Graph: TypeAlias = Split | Router | Chain | Ensemble | Bandit
"""Several models behind one address."""
Node: TypeAlias = str | Graph
"""A model's name, or a graph inside the graph. Graphs differ in `kind`."""


class Batching(Section, frozen=True):
    """Micro-batching: the model predicts the rows of several requests in one call."""

    max_batch_size: int = 64
    max_latency_ms: float = 5


class ApiKeys(Section, frozen=True):
    """The file with the accepted keys, one per line, and the header that carries a key."""

    file: str
    header: str = DEFAULT_KEY_HEADER


class Cors(Section, frozen=True):
    """Cross-origin calls from browsers. The origin `*` means any.

    `headers` are allowed in addition to those that a browser always allows.
    """

    origins: tuple[str, ...]
    methods: tuple[CorsMethod, ...] = ("GET", "POST")
    headers: tuple[str, ...] = ("Content-Type", "X-Request-Id", "traceparent")
    max_age_seconds: int = 600


class Log(Section, frozen=True):
    """The server's own log on stderr: its lowest level, and whether a line is text or JSON."""

    level: LogLevel = "info"
    format: LogFormat = "text"


class ServerSettings(Section, frozen=True, kw_only=True):
    """The whole file. Without `batching`, each request is predicted in its own call.

    `protocols` are spoken beside the service's own, Open Inference Protocol V2 and MLflow's.
    `outputs` are those of an ONNX graph that the service's own routes answer; None: as usual.
    `path_prefix` is a path below which everything answers once more: callers outside the cluster
    come by it, probes and callers inside do not.
    `variant_file` holds the pod's variant (see `variant`) and may change; None: the default one.
    """

    name: str
    environment: str = "local"
    description: str = ""
    base_path: str = ""
    port: int = 8080
    models: tuple[ModelPlace, ...]
    runtime: Runtime = "auto"
    onnx_tolerance: float | None = None
    trust: Trust = Trust()
    input: Input = Input()
    params: tuple[Param, ...] | None = None
    outputs: tuple[str, ...] | None = None
    limits: Limits = Limits()
    error_style: ErrorStyle = "status"
    shutdown: Shutdown = Shutdown()
    events: Events | None = None
    metrics: Metrics = Metrics()
    graph: Graph | None = None
    batching: Batching | None = None
    api_keys: ApiKeys | None = None
    cors: Cors | None = None
    protocols: tuple[Protocol, ...] | None = None
    path_prefix: str | None = None
    log: Log | None = None
    variant_file: str | None = None

    @property
    def path(self) -> str:
        """Path before /predict, without a trailing slash."""
        return self.base_path or f"/v1/{self.name}"


def children(graph: Graph) -> tuple[Node, ...]:
    """Return the nodes directly below a graph, in the order in which they are written."""
    match graph:
        case Split():
            return tuple(branch.node for branch in graph.branches)
        case Router():
            return (*(case.node for case in graph.cases), graph.otherwise)
        case Chain():
            return graph.steps
        case Ensemble():
            return graph.nodes
        case Bandit():
            return graph.arms


def splits_of(node: Node) -> tuple[Split, ...]:
    """Return the splits of a graph, in reading order."""
    if isinstance(node, str):
        return ()
    own = (node,) if isinstance(node, Split) else ()
    return own + tuple(split for child in children(node) for split in splits_of(child))


def to_plain(settings: Section) -> dict[str, Any]:
    """Return a section as plain JSON data with the file's keys.

    Fields that are None are left out, and in a section with `omit_defaults` those that have their
    default. Elsewhere a default is written: a reviewer sees it, and another version of the server
    keeps it.
    """
    config = settings.__struct_config__
    plain: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field else {}
    for key, name, default in _fields(type(settings)):
        value = getattr(settings, name)
        if value is not None and not (config.omit_defaults and value == default):
            plain[key] = _plain(value)
    return plain


@cache
def _fields(section: type[Section]) -> tuple[tuple[str, str, Any], ...]:
    """(key in the file, name, default) of each field."""
    fields = msgspec.structs.fields(section)
    return tuple((field.encode_name, field.name, field.default) for field in fields)


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return to_plain(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def read_settings(text: bytes) -> ServerSettings:
    """Parse the file's content. Raises ValueError that names the field that is wrong or unknown."""
    return msgspec.json.decode(text, type=ServerSettings)
