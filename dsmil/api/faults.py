"""The one shape of every error: {error, detail, hint, line?, column?}.

`error` is a word for programs, `detail` a sentence for people, `hint` what mends it. Whatever goes wrong on the way
to an answer, of ours or of the framework, is put into it here and nowhere else.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from dsmil.errors import BadEvent, ConfigError, Corrupt, DsmilError, QueryError, Unavailable
from dsmil.graph.picture import TooOld
from dsmil.runtime import logs

SAFE_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "cache-control": "no-store",
}
"""On every answer: what it holds is data, never a page that may load or be framed, and nobody keeps it."""
RETRY_S = "1"
"""What Retry-After says of what is away for now."""
SAID_MAX = 3
"""Faults of one body that are told."""
CHARS_MAX = 500

_WORDS = {400: "bad_request", 404: "no_such_path", 405: "method_not_allowed", 413: "too_large", 422: "invalid"}

log = logs.get()


class Fault(HTTPException):
    """An answer that is an error."""

    def __init__(  # noqa: PLR0913 - three are positional
        self,
        status: int,
        error: str,
        detail: str,
        *,
        hint: str = "",
        line: int | None = None,
        column: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail=detail, headers=headers)
        self.error, self.hint, self.line, self.column = error, hint, line, column


def fault_of(error: Exception) -> Fault:
    """The answer that an error of ours, or of the framework, is."""
    match error:
        case Fault():
            return error
        case QueryError():
            return Fault(
                400, "bad_query", Exception.__str__(error),
                hint=error.hint or _expected(error), line=error.line, column=error.column,
            )  # fmt: skip
        case TooOld():
            return Fault(410, "too_old", Exception.__str__(error), hint=error.hint)
        case BadEvent():
            return Fault(422, "invalid", Exception.__str__(error), hint=error.hint)
        case Unavailable() | ConfigError() | Corrupt():
            headers = {"retry-after": RETRY_S}
            return Fault(503, "unavailable", Exception.__str__(error), hint=error.hint, headers=headers)
        case RequestValidationError():
            return Fault(422, "invalid", _invalid(error))
        case HTTPException():
            word = _WORDS.get(error.status_code, HTTPStatus(error.status_code).name.lower())
            return Fault(error.status_code, word, str(error.detail), headers=error.headers)
        case _:
            return Fault(500, "internal", "the request could not be carried out", hint="see the log of dsmil-api")


def answer(fault: Fault) -> Response:
    """The fault as it is sent."""
    body: dict[str, Any] = {"error": fault.error, "detail": _clean(fault.detail), "hint": _clean(fault.hint)}
    if fault.line is not None:
        body |= {"line": fault.line, "column": fault.column}
    headers = {**SAFE_HEADERS, **(fault.headers or {})}
    return Response(msgspec.json.encode(body), fault.status_code, media_type="application/json", headers=headers)


def settle_in(app: FastAPI) -> None:
    """Let every error of the app end here."""

    async def told(request: Request, error: Exception) -> Response:
        return answer(fault_of(error))

    async def crashed(request: Request, error: Exception) -> Response:
        frames = traceback.extract_tb(error.__traceback__)[-5:]
        trace = [f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
        log.error("request_failed", path=request.url.path, error=f"{type(error).__name__}: {error}", trace=trace)
        return answer(fault_of(error))

    for kind in (HTTPException, RequestValidationError, DsmilError):
        app.add_exception_handler(kind, told)
    app.add_exception_handler(Exception, crashed)


def _expected(error: QueryError) -> str:
    return f"expected {', '.join(error.expected)}" if error.expected else ""


def _invalid(error: RequestValidationError) -> str:
    """What is wrong with a body or a parameter, field by field."""
    found = error.errors()
    said = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found[:SAID_MAX]]
    more = len(found) - len(said)
    return "; ".join(said) + (f"; and {more} more" if more else "")


def _clean(text: str) -> str:
    return logs.printable(text[:CHARS_MAX])
