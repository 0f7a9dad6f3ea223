"""The server's own log on stderr: lines of text, or one JSON object per line.

It says what the process does and why something failed. Requests that succeed are not in it; their
events have a log of their own.
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from types import TracebackType

import msgspec

from servestack_contract.settings import Log

LEVEL_VARIABLE = "SERVESTACK_LOG_LEVEL"
"""Variable that overrides the level of the settings, for a server that is started by hand."""
_log = logging.getLogger("servestack_server")
_TEXT = "%(asctime)s %(levelname)s %(message)s"


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object without line breaks.

    Its keys are `time` (RFC 3339, in UTC), `level`, `logger` and `message`; `requestId` where the
    record is about one request, and `exception` with the traceback where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = getattr(record, "request_id", "")
        if request_id:
            line["requestId"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return msgspec.json.encode(line).decode()
        except UnicodeEncodeError:  # Half of a surrogate pair, in a message of foreign code.
            clean = {key: text.encode(errors="replace").decode() for key, text in line.items()}
            return msgspec.json.encode(clean).decode()


def configure(given: Log) -> None:
    """Write all records of the level or above to stderr, in the format of the settings.

    In JSON, warnings of Python and an exception that ends the process are records as well.
    """
    handler = logging.StreamHandler(sys.stderr)
    as_json = given.format == "json"
    handler.setFormatter(JsonFormatter() if as_json else logging.Formatter(_TEXT))
    level = os.environ.get(LEVEL_VARIABLE, given.level).upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(as_json)
    sys.excepthook = _uncaught if as_json else sys.__excepthook__
    if as_json:
        # MLflow gives its loggers a handler of text when it is imported, unless it is told not to.
        os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")


def say(line: str) -> None:
    """Say what a verb does: a plain line where the log is text, else a record."""
    if _is_json():
        _log.info("%s", line)
    elif _log.isEnabledFor(logging.INFO):
        _write(line)


def say_error(message: str) -> None:
    """Say why the process ends: a line `error: …` where the log is text, else a record."""
    if _is_json():
        _log.error("%s", message)
    else:
        _write(f"error: {message}")


def log_failure(log: logging.Logger, what: str, error: BaseException, request_id: str = "") -> None:
    """Log what failed with its traceback, and the id of the request that it failed for."""
    about = f"request {request_id}: {what}" if request_id else what
    log.error("%s", about, exc_info=error, extra={"request_id": request_id})


def _is_json() -> bool:
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.root.handlers)


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    _log.critical("%s", "the process failed", exc_info=(kind, error, traceback))
