"""The OpenAPI document tells of every route, and the page shows it without asking anybody else."""

import re

import pytest
import requests

from engine.api.openapi_parts import path_name
from tests.wire.described import bare_app


@pytest.fixture(scope="module")
def document(daemon):
    return requests.get(f"{daemon.url}/openapi.json", timeout=30).json()


def served():
    """Method and path of every route of the application."""
    app = bare_app()
    return {
        (route.method, re.sub(r"\{(\w+)\}", lambda found: f"{{{path_name(found[1])}}}", plain(route)))
        for route in app.router.routes()
        if route.method != "HEAD"
    }


def plain(route):
    """The path with placeholders that have no patterns."""
    info = route.resource.get_info()
    return info.get("formatter") or info["path"]


def test_every_route_is_described_and_nothing_else(document):
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == served()


def test_the_document_needs_no_credentials_and_is_kept_by_its_etag(daemon, http):
    first = http.session.get(f"{daemon.url}/openapi.json", auth=("AC", "x"))
    assert first.status_code == 200
    assert first.headers["Content-Type"] == "application/json"
    assert "max-age" in first.headers["Cache-Control"]
    again = http.session.get(f"{daemon.url}/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = http.session.get(f"{daemon.url}/openapi.json", headers={"If-None-Match": '"older"'})
    assert other.status_code == 200


def test_the_bounds_are_those_of_the_configuration(document):
    schemas = document["components"]["schemas"]
    assert schemas["CreateTaskBody"]["properties"]["Attributes"]["maxLength"] == 4_096
    assert schemas["CreateTaskQueueBody"]["properties"]["MaxReservedWorkers"] == {
        "type": "integer", "minimum": 1, "maximum": 50, "default": 1,
        "description": "How many workers are offered a task at a time.",
    }  # fmt: skip
    assert schemas["CreateTaskQueueBody"]["properties"]["TaskOrder"]["enum"] == ["FIFO", "LIFO"]


def test_credentials_are_asked_for_but_where_none_are_needed(document):
    assert set(document["components"]["securitySchemes"]) == {"basic", "bearer"}
    open_paths = {
        path
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if operation.get("security") == []
    }
    assert open_paths == {
        "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/{Asset}",
    }  # fmt: skip


def test_every_reference_leads_somewhere(document):
    for reference in re.findall(r"'\$ref': '#/([^']+)'", str(document)):
        place = document
        for step in reference.split("/"):
            place = place[step]


def test_everything_says_what_it_is_about(document):
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert "§" not in str(operation), path
            assert all(parameter["description"] for parameter in operation["parameters"]), path
    ids = [
        operation["operationId"] for methods in document["paths"].values() for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))


def test_the_page_takes_everything_from_the_daemon(daemon, http):
    page = http.session.get(f"{daemon.url}/docs", auth=("AC", "x"))
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    places = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(places) >= 4
    for place in places:
        assert "//" not in place
        answer = http.session.get(f"{daemon.url}/{place}")
        assert (answer.status_code, bool(answer.content)) == (200, True), place


def test_only_the_files_of_the_page_are_served(http, daemon):
    for name in ("..%2f..%2fapp.py", "index.html", "swagger-ui.css.map", "%2e%2e"):
        assert http.session.get(f"{daemon.url}/docs/{name}").status_code == 404
