"""A made-up SHRINK for the demo, on a loopback port of its own: calm at first, a crisis from a given moment.

It answers `GET /api/v1/metrics` in the documented form. Only the demo and tests start it, and the demo says so.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

from dsmil.clock import SYSTEM, Clock

CALM = {
    "risk_acute_stress": 0.35, "crisis_level": 0.12, "lbi_hyperfocus_density": 0.58, "sentiment_score": 0.72,
    "entropy": 0.45,
}  # fmt: skip
CRISIS = {**CALM, "risk_acute_stress": 0.78, "crisis_level": 0.85, "sentiment_score": 0.21}


class StressServer:
    """Serves from `with StressServer(crisis_after_s) as server`; `server.url` is what SHRINK_URL wants."""

    def __init__(self, crisis_after_s: float, clock: Clock = SYSTEM) -> None:
        began = clock.monotonic()

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.path.split("?")[0] == "/api/v1/metrics"
                body = json.dumps(CRISIS if clock.monotonic() - began >= crisis_after_s else CALM).encode()
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body) if known else 0))
                self.end_headers()
                if known:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """A line per poll would bury the demo's own words."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, name="stress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
