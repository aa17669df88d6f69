"""Structured logs, one line an event, deny by default: only the fields named here are printed."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from gunicorn.config import Config
from gunicorn.glogging import Logger

# No address, user agent, query, path of a visited page or identifier has a name in this list.
FIELDS = frozenset(
    {
        "event", "level", "timestamp", "logger", "exception", "pid", "port", "signal", "code",
        "state", "site", "day", "version", "rows", "segments", "bytes", "seconds", "table",
        "number", "name", "reason", "count", "process", "attempt", "kind", "status", "endpoint",
        "error",
    }
)  # fmt: skip


def only_named(
    _logger: Any, _method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drops every field that has no name in `FIELDS`."""
    return {key: value for key, value in entry.items() if key in FIELDS}


def frames_only(
    _logger: Any, _method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A traceback as file, line and function: a message may quote what it choked on."""
    info = entry.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        frames = []
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            frames.append(f"{code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno}:{code.co_name}")
            trace = trace.tb_next
        entry["exception"] = f"{type(error).__name__} at {' < '.join(reversed(frames[-8:]))}"
    return entry


class _Handler(logging.Handler):
    """Sends the standard library's records the same way, without what was filled into them.

    A message that comes with arguments is a constant to fill them into: it is kept and they are
    left out. One without may have been filled in already: only its place in the code is told.
    """

    def emit(self, record: logging.LogRecord) -> None:
        constant = record.args and isinstance(record.msg, str)
        structlog.get_logger().log(
            record.levelno,
            record.msg if constant else f"{record.module}:{record.lineno}",
            logger=record.name,
            exc_info=record.exc_info,
        )


def configure() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            frames_only,
            only_named,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Handler()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's own log by the same rules: its format would print addresses and queries."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        configure()
        self.error_log.handlers = []
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
