"""What the caller of a model sees: address, input, batching, limits, keys."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from servestack.spec.base import (
    SECRET_KEY,
    Boolean,
    DnsName,
    HttpPath,
    Integer,
    Number,
    SpecModel,
    Text,
)
from servestack.spec.patterns import described
from servestack.spec.quantities import MessageSize
from servestack_contract import settings as contract
from servestack_contract.settings import ColumnType, CorsMethod, ErrorStyle, TensorType

ORIGIN = described(
    r"^(\*|https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?)$",
    "an origin such as https://shop.example.com, without a path, or *",
)
HEADER = described(r"^[A-Za-z][A-Za-z0-9-]{0,63}$", "a header's name, such as X-API-Key")
_LIMITS = contract.Limits()
_BATCHING = contract.Batching()
_CORS = contract.Cors(origins=())


class Column(SpecModel):
    """One column of the model's input table, with the values it may take."""

    name: Text = Field(description="Name of the column, as the model was trained with it.")
    type: ColumnType = Field(description="Type, in the words of an MLflow signature.")
    required: Boolean = Field(default=True, description="Refuse a request that leaves it out.")
    nullable: Boolean = Field(default=False, description="Accept null and NaN.")
    minimum: Number | None = Field(default=None, description="Smallest value accepted.")
    maximum: Number | None = Field(default=None, description="Largest value accepted.")
    enum: tuple[str | int | float | bool, ...] | None = Field(
        default=None, description="The only values accepted.", min_length=1
    )


class Tensor(SpecModel):
    """The model's input as one array."""

    dtype: TensorType = Field(description="Element type, as numpy names it.")
    shape: tuple[Annotated[Integer, Field(ge=-1)], ...] = Field(
        description="Length of each axis; -1 for any. The first axis is the batch.", min_length=1
    )


class Input(SpecModel):
    """What the model takes. Left out, it comes from the MLflow signature in the lock."""

    columns: tuple[Column, ...] | None = Field(
        default=None, description="The columns of a table-like input, in order.", min_length=1
    )
    tensor: Tensor | None = Field(default=None, description="The array of a tensor input.")
    example: Any = Field(
        default=None,
        description="A request's rows: shown in Swagger, and predicted once before a pod is ready.",
        examples=[[[5.1, 3.5, 1.4, 0.2]]],
    )


class Batching(SpecModel):
    """Rows of several requests predicted in one call."""

    max_batch_size: Integer = Field(
        default=_BATCHING.max_batch_size,
        ge=1,
        le=10_000,
        description="Most rows put together in a call; a larger request is a call of its own.",
    )
    max_latency_ms: Number = Field(
        default=_BATCHING.max_latency_ms,
        ge=0,
        le=1000,
        description="Longest wait for requests that are just arriving, in milliseconds. "
        "A request alone is never held back.",
    )


class ApiKeys(SpecModel):
    """A Secret with the accepted API keys, one a line. Changing it needs no restart."""

    secret: DnsName = Field(description="Name of a Secret in the environment's namespace.")
    key: Annotated[str, StringConstraints(pattern=SECRET_KEY)] = Field(
        default="api-keys", description="Key in the Secret that holds the list."
    )
    header: Annotated[str, StringConstraints(pattern=HEADER)] = Field(
        default=contract.DEFAULT_KEY_HEADER, description="Request header that carries the key."
    )


class Auth(SpecModel):
    """Who may call the model."""

    api_keys: ApiKeys = Field(description="Accept requests that carry one of these keys.")


class Cors(SpecModel):
    """Calls from pages in a browser (CORS). Without it a page of another origin gets no answer."""

    origins: tuple[Annotated[str, StringConstraints(pattern=ORIGIN, max_length=300)], ...] = Field(
        min_length=1,
        description="Origins of the pages that may call; `*` for any.",
        examples=[["https://shop.example.com"]],
    )
    methods: tuple[CorsMethod, ...] = Field(
        default=_CORS.methods, min_length=1, description="Methods that a page may use."
    )
    headers: tuple[Annotated[str, StringConstraints(pattern=HEADER)], ...] = Field(
        default=_CORS.headers,
        description="Request headers that a page may send; the API key's is always among them.",
    )
    max_age_seconds: Integer = Field(
        default=_CORS.max_age_seconds,
        ge=0,
        le=86_400,
        description="Time for which a browser need not ask again, in seconds.",
    )


class Limits(SpecModel):
    """What one request may ask for; more is answered 413 or 503."""

    max_body: MessageSize = Field(default="4Mi", description="Largest body.")
    max_rows: Integer = Field(
        default=_LIMITS.max_rows, ge=1, description="Most rows in one request."
    )
    max_queue: Integer = Field(
        default=_LIMITS.max_queue,
        ge=1,
        description="Requests waiting in a pod; more are answered 503.",
    )
    timeout_seconds: Number = Field(
        default=_LIMITS.timeout_seconds,
        gt=0,
        le=3600,
        description="Longest time a request may take, in seconds.",
    )


class Api(SpecModel):
    """The model's HTTP interface."""

    base_path: HttpPath | None = Field(
        default=None, description="Path before /predict. Left out: /v1/<name>."
    )
    input: Input = Field(default=Input(), description="What the model takes.")
    batching: Batching | None = Field(
        default=Batching(), description="Micro-batching over requests; null turns it off."
    )
    auth: Auth | None = Field(default=None, description="Who may call; left out: anybody in reach.")
    limits: Limits = Field(default=Limits(), description="What one request may ask for.")
    cors: Cors | None = Field(
        default=None, description="Which pages may call from a browser; left out: none."
    )
    error_style: ErrorStyle = Field(
        default="status",
        description="How errors are answered: by HTTP status, or 200 with an error code in the body.",
    )
