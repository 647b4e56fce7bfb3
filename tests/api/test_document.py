"""The OpenAPI document says what the app does: no generated request makes it fail, or answer otherwise."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dsmil.api.roles import ROLES
from dsmil.store.hot import HotPathDB
from dsmil.store.hot_file import HotConfig
from tests.api.desk import Desk, is_error

CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
)  # fmt: skip
DOCUMENTED = sorted(key for key in ROLES if key[1] not in ("/docs", "/docs.css", "/openapi.json"))
EXAMPLES = 12


@pytest.mark.parametrize(("method", "path"), DOCUMENTED)
def test_generated_requests_are_answered_as_the_document_says(desk: Desk, method: str, path: str) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", desk.app, headers={"host": "localhost"})
    schema.config.update(base_url="http://localhost")
    operation = schema[path.replace(":path}", "}")][method]
    hot = HotPathDB(HotConfig(desk.parts.settings.paths.hot_db))
    assert hot.connect() and hot.insert_soc_event("soc-1", "HIGH", "INTEL", 52, 8, {"decision": "ais.jump"})
    hot.disconnect()
    headers = {**desk.bearer("admin"), "host": "localhost"}

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def every(case: Any) -> None:
        desk.parts.workers = desk.parts.waiters = None
        case.call_and_validate(headers=headers, checks=CHECKS)

    every()


def test_every_route_is_documented_with_its_role_its_credential_and_its_errors(desk: Desk) -> None:
    found = desk("GET", "/openapi.json", None).json()
    for (method, path), need in ROLES.items():
        if (method, path) not in DOCUMENTED:
            continue
        told = found["paths"][path.replace(":path}", "}")][method.lower()]
        assert told["x-role"] == str(need or "anybody") and told["description"]
        assert ("security" in told) is (need is not None and need != "loopback")
        assert {"400", "413", "422", "503"} <= set(told["responses"]), (method, path)
        for code, answer in told["responses"].items():
            if int(code) >= 400:
                shape = answer["content"]["application/json"]["schema"]["$ref"]
                assert shape == "#/components/schemas/ErrorTold", (path, code)
    assert "HTTPValidationError" not in found["components"]["schemas"]


def test_the_page_shows_every_path_and_loads_nothing_from_elsewhere(desk: Desk) -> None:
    page = desk("GET", "/docs", None)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for path in desk("GET", "/openapi.json", None).json()["paths"]:
        assert path in page.text
    assert "<script" not in page.text and "http://" not in page.text and "https://" not in page.text
    assert desk("GET", "/docs.css", None).headers["content-type"] == "text/css; charset=utf-8"


def test_the_document_is_made_once(desk: Desk) -> None:
    assert desk.app.openapi() is desk.app.openapi()
    assert is_error(desk("POST", "/openapi.json", None))
