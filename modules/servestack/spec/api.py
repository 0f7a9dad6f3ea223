"""What the caller of a model sees: address, input, batching, limits, keys."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from servestack.spec.base import (
    SECRET_KEY,
    DnsName,
    HttpPath,
    Integer,
    Number,
    SpecModel,
    Text,
)
from servestack.spec.columns import Column, Param
from servestack.spec.patterns import described
from servestack.spec.quantities import MessageSize
from servestack_contract import settings as contract
from servestack_contract.settings import (
    CorsMethod,
    ErrorStyle,
    Protocol,
    TensorType,
    UnknownColumns,
)

ORIGIN = described(
    r"^(\*|https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?)$",
    "an origin such as https://shop.example.com, without a path, or *",
)
HEADER = described(r"^[A-Za-z][A-Za-z0-9-]{0,63}$", "a header's name, such as X-API-Key")
_LIMITS = contract.Limits()
_BATCHING = contract.Batching()
_CORS = contract.Cors(origins=())


class Tensor(SpecModel):
    """An input of the model that is an array."""

    name: Text | None = Field(
        default=None, description="Name of the input, for a model that takes arrays by name."
    )
    dtype: TensorType = Field(description="Element type, as numpy names it.")
    shape: tuple[Annotated[Integer, Field(ge=-1)], ...] = Field(
        description="Length of each axis; -1 means any. The first axis is the batch.", min_length=1
    )


class NamedTensor(Tensor):
    """One of several arrays that the model takes together."""

    name: Text = Field(description="Name of the input, as the model calls it.")


class Input(SpecModel):
    """The model's input. Default: the MLflow signature in the lock."""

    columns: tuple[Column, ...] | None = Field(
        default=None, description="The columns of a table-like input, in order.", min_length=1
    )
    tensor: Tensor | None = Field(default=None, description="The array of a tensor input.")
    tensors: tuple[NamedTensor, ...] | None = Field(
        default=None,
        description="The arrays of a model that takes several. A row is one entry of each.",
        min_length=2,
    )
    example: Any = Field(
        default=None,
        description="Example rows. Swagger shows them; a pod predicts them once before it is ready.",
        examples=[[[5.1, 3.5, 1.4, 0.2]]],
    )
    unknown_columns: UnknownColumns = Field(
        default="refuse",
        description="What becomes of columns of a request that the input does not have: `refuse` "
        "the request, or `ignore` them, as MLflow's server does.",
    )

    @property
    def is_known(self) -> bool:
        """Whether anything describes the input."""
        return any(given is not None for given in (self.columns, self.tensor, self.tensors))


class Batching(SpecModel):
    """Micro-batching: the model predicts the rows of several requests in one call."""

    max_batch_size: Integer = Field(
        default=_BATCHING.max_batch_size,
        ge=1,
        le=10_000,
        description="Maximum rows in one batch. A larger request is predicted on its own.",
    )
    max_latency_ms: Number = Field(
        default=_BATCHING.max_latency_ms,
        ge=0,
        le=1000,
        description="Maximum wait for requests that have begun to arrive, in milliseconds. "
        "A single request never waits.",
    )


class ApiKeys(SpecModel):
    """A Secret with the accepted API keys, one per line. Changes need no restart."""

    secret: DnsName = Field(description="Name of a Secret in the environment's namespace.")
    key: Annotated[str, StringConstraints(pattern=SECRET_KEY)] = Field(
        default="api-keys", description="Key in the Secret that holds the list."
    )
    header: Annotated[str, StringConstraints(pattern=HEADER)] = Field(
        default=contract.DEFAULT_KEY_HEADER, description="Request header that carries the key."
    )


class Auth(SpecModel):
    """Allowed callers."""

    api_keys: ApiKeys = Field(description="Accept only requests that carry one of these keys.")


class Cors(SpecModel):
    """Cross-origin calls from pages in a browser (CORS)."""

    origins: tuple[Annotated[str, StringConstraints(pattern=ORIGIN, max_length=300)], ...] = Field(
        min_length=1,
        description="Origins of the pages that may call; `*` allows any.",
        examples=[["https://shop.example.com"]],
    )
    methods: tuple[CorsMethod, ...] = Field(
        default=_CORS.methods, min_length=1, description="Methods that a page may use."
    )
    headers: tuple[Annotated[str, StringConstraints(pattern=HEADER)], ...] = Field(
        default=_CORS.headers,
        description="Request headers that a page may send. The API key's header is always allowed.",
    )
    max_age_seconds: Integer = Field(
        default=_CORS.max_age_seconds,
        ge=0,
        le=86_400,
        description="How long a browser may cache the answer to its preflight request, in seconds.",
    )


class Limits(SpecModel):
    """Limits of one request. The server answers 413 or 503 to a request beyond them."""

    max_body: MessageSize = Field(default="4Mi", description="Maximum size of a request's body.")
    max_rows: Integer = Field(
        default=_LIMITS.max_rows, ge=1, description="Maximum rows in one request."
    )
    max_queue: Integer = Field(
        default=_LIMITS.max_queue,
        ge=1,
        description="Maximum requests waiting in a pod. The server answers 503 to further ones.",
    )
    max_buffered: MessageSize | None = Field(
        default=None,
        description="Maximum size of all bodies that a pod holds at a time. The server answers 503 to "
        "further ones. Default: a quarter of the memory limit, at most 128Mi, at least two bodies.",
    )
    timeout_seconds: Number = Field(
        default=_LIMITS.timeout_seconds,
        gt=0,
        le=3600,
        description="Maximum time of a request, in seconds.",
    )


class Api(SpecModel):
    """The model's HTTP interface."""

    base_path: HttpPath | None = Field(
        default=None, description="Path before /predict. Default: /v1/<name>."
    )
    input: Input = Field(default=Input.model_construct(), description="The model's input.")
    params: tuple[Param, ...] | None = Field(
        default=None,
        description="Values beside the rows, sent as `params`. Default: those of the MLflow "
        "signature in the lock.",
        examples=[[{"name": "temperature", "type": "double", "default": 0.7, "maximum": 2}]],
    )
    outputs: tuple[Text, ...] | None = Field(
        default=None,
        min_length=1,
        description="Outputs of an ONNX model that `predict` answers, by their names in the graph: "
        "one as a plain value, several as an object. Default: a classifier's label, and all outputs of "
        "any other model. Open Inference Protocol and `/invocations` answer all.",
        examples=[["probabilities"]],
    )
    batching: Batching | None = Field(
        default=Batching.model_construct(),
        description="Micro-batching of requests; null turns it off.",
    )
    auth: Auth | None = Field(
        default=None, description="Allowed callers. Default: anyone who can reach the service."
    )
    limits: Limits = Field(default=Limits.model_construct(), description="Limits of one request.")
    cors: Cors | None = Field(
        default=None,
        description="Pages of other origins that may call from a browser. Default: none.",
    )
    error_style: ErrorStyle = Field(
        default="status",
        description="How errors are reported: `status` by the HTTP status, `ok200` by status 200 "
        "with an error code in the body.",
    )
    protocols: tuple[Protocol, ...] = Field(
        default=(),
        description="Protocols to speak beside the service's own, Open Inference Protocol V2 and "
        "MLflow's: `seldon` is that of Seldon Core 1, at /api/v1.0/predictions.",
        examples=[["seldon"]],
    )
