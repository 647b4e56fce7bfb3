"""/docs and /openapi.json: what can be asked, for programs and for people.

The page is made here, of the document alone: the usual viewers load their scripts from the internet, which this
machine may not have, and the policy of every answer forbids scripts anyway.
"""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI, Request, Response

from dsmil.api.told import json_answer

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h2{font:600 15px ui-monospace,monospace;margin:2rem 0 .2rem;border-top:1px solid #ddd;padding-top:1rem}
p{margin:.2rem 0}code,pre{font:13px ui-monospace,monospace}table{border-collapse:collapse;margin:.4rem 0}
td{padding:.1rem 1rem .1rem 0;vertical-align:top}.m{color:#0550ae}.r{color:#666;font-weight:400}
pre{background:#f6f8fa;padding:.8rem;overflow:auto}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}h2{border-color:#333}
.m{color:#79c0ff}.r{color:#999}}"""

_NOT_DOCUMENTED: dict[str, Any] = {"include_in_schema": False}


async def document(request: Request) -> Response:
    """The OpenAPI document."""
    return json_answer(request.app.openapi())


async def page(request: Request) -> Response:
    """The document as a page."""
    return Response(_page(request.app.openapi()), media_type="text/html; charset=utf-8")


async def style(request: Request) -> Response:
    """How the page looks."""
    return Response(STYLE, media_type="text/css; charset=utf-8")


def add_to(app: FastAPI) -> None:
    """Put the routes into the app."""
    app.add_api_route("/openapi.json", document, methods=["GET"], **_NOT_DOCUMENTED)
    app.add_api_route("/docs", page, methods=["GET"], **_NOT_DOCUMENTED)
    app.add_api_route("/docs.css", style, methods=["GET"], **_NOT_DOCUMENTED)


def _page(found: dict[str, Any]) -> str:
    schemas = found["components"]["schemas"]
    parts = [
        _operation(method, path, told) for path, each in found["paths"].items() for method, told in each.items()
    ]
    shapes = [
        f"<h2 id='{escape(name)}'>{escape(name)}</h2>{_shape(shape)}" for name, shape in sorted(schemas.items())
    ]
    info = found["info"]
    about = "".join(f"<p>{escape(text)}</p>" for text in info["description"].split("\n\n"))
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>dsmil API</title><link rel='stylesheet' href='/docs.css'><h1>dsmil {escape(info['version'])}</h1>"
        f"{about}<p><a href='/openapi.json'>/openapi.json</a></p>{''.join(parts)}"
        f"<h1>Shapes</h1>{''.join(shapes)}</html>"
    )


def _operation(method: str, path: str, told: dict[str, Any]) -> str:
    rows = [
        (f"{each['name']}{'' if each.get('required') else '?'}", each["in"], _kind(each.get("schema", {})),
         each.get("description", ""))
        for each in told.get("parameters", ())
    ]  # fmt: skip
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        rows.append(("body", "", _kind(body), ""))
    codes = [
        (code, "", _answer(each), each.get("description", "")) for code, each in sorted(told["responses"].items())
    ]
    return (
        f"<h2><span class='m'>{method.upper()}</span> {escape(path)} <span class='r'>{escape(told.get('x-role', ''))}"
        f"</span></h2><p>{escape(told.get('description', ''))}</p>{_table(rows)}{_table(codes)}"
    )


def _shape(shape: dict[str, Any]) -> str:
    needed = shape.get("required", ())
    rows = [
        (name if name in needed else f"{name}?", "", _kind(each), each.get("description", ""))
        for name, each in shape.get("properties", {}).items()
    ]
    return f"<p>{escape(shape.get('description', ''))}</p>{_table(rows)}"


def _answer(told: dict[str, Any]) -> str:
    return ", ".join(_kind(each.get("schema", {})) or kind for kind, each in told.get("content", {}).items())


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " | ".join(dict.fromkeys(_kind(each) for each in schema[key]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    return str(schema.get("type", schema.get("title", "")))


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{each}</tr>' for each in cells)}</table>" if rows else ""
