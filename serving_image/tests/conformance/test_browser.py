"""A real browser on the Swagger page: it shows the document and sends the example."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server
from tests.support.browser import browsing


class Visit:
    """A page, what it has asked for, and what it has complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                self.complaints.append(said.text) if said.type in ("error", "warning") else None
            ),
        )

    def execute(self, path: str) -> tuple[int, str]:
        """Send the example of a POST; the status and the body that the page shows."""
        block = self.page.locator(".opblock-post").filter(
            has=self.page.locator(f'[data-path="{path}"]')
        )
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
        block.get_by_role("button", name="Execute", exact=True).click()
        live = block.locator(".live-responses-table")
        expect(live.locator(".response-col_status").last).to_be_visible(timeout=20_000)
        status = live.locator("tbody .response-col_status").inner_text().split()[0]
        # The list of headers comes second, in the same kind of box.
        body = live.locator("tbody .response-col_description .highlight-code pre").first
        return int(status), body.inner_text()


@contextmanager
def visiting(url: str) -> Iterator[Visit]:
    """Chromium with the page open and the document shown."""
    with browsing() as browser:
        visit = Visit(browser.new_page(viewport={"width": 1200, "height": 1600}))
        visit.page.goto(url)
        expect(visit.page.locator(".opblock").first).to_be_visible(timeout=20_000)
        yield visit


def assert_at_home(visit: Visit, server: RunningServer) -> None:
    """Every request went to the server, and nothing was complained of."""
    assert {urlsplit(url).netloc for url in visit.requests if urlsplit(url).scheme != "data"} == {
        server.address
    }
    assert visit.complaints == []


def test_example_is_filled_in_and_predicts(
    server: RunningServer, iris: Iris, tmp_path: Path
) -> None:
    with visiting(f"{server.url}/v1/iris/docs") as visit:
        expect(visit.page.locator(".info .title")).to_contain_text("iris")
        status, body = visit.execute("/v1/iris/predict")
        visit.page.screenshot(path=tmp_path / "predicted.png", full_page=True)
        assert status == 200, body
        answer = json.loads(body)
        assert answer["predictions"] == iris.classes[:1]
        assert (answer["model"], answer["version"]) == ("iris", "4")
        assert f"{server.url}/v1/iris/predict" in visit.requests
        assert_at_home(visit, server)


@pytest.mark.parametrize(
    ("path", "output"),
    [("/v1/iris/batch", "predictions"), ("/invocations", "predictions")],
)
def test_other_examples_are_answered(
    server: RunningServer, iris: Iris, path: str, output: str
) -> None:
    with visiting(f"{server.url}/v1/iris/docs") as visit:
        status, body = visit.execute(path)
        assert (status, json.loads(body)[output]) == (200, iris.classes[:1])
        assert_at_home(visit, server)


def test_page_at_the_root_and_inference_protocol(server: RunningServer, iris: Iris) -> None:
    """Inside the cluster the page is at /docs as well."""
    with visiting(f"{server.url}/docs") as visit:
        status, body = visit.execute("/v2/models/{name}/infer")
        assert status == 200, body
        assert json.loads(body)["outputs"][0]["data"] == iris.classes[:1]
        assert_at_home(visit, server)


def test_a_key_is_asked_for_and_sent(iris: Iris, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("open sesame\n")
    config = iris.config(apiKeys={"file": str(keys), "header": "X-Iris-Key"})
    with (
        running_server(config, tmp_path / "server") as server,
        visiting(f"{server.url}/v1/iris/docs") as visit,
    ):
        visit.page.get_by_role("button", name="Authorize").first.click()
        box = visit.page.locator(".dialog-ux")
        box.locator("input").fill("open sesame")
        box.get_by_role("button", name="Apply credentials").click()
        box.get_by_role("button", name="Close").first.click()
        status, body = visit.execute("/v1/iris/predict")
        assert (status, json.loads(body)["predictions"]) == (200, iris.classes[:1])
        assert_at_home(visit, server)


def test_policy_of_the_page(server: RunningServer) -> None:
    for path in ("/v1/iris/docs", "/docs"):
        policy = server.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Not into the test's output."""


_CALL = """
async ([url, rows]) => {
  try {
    const answer = await fetch(url, {
      method: "POST", body: JSON.stringify(rows),
      headers: {"content-type": "application/json", "x-request-id": "from-a-page"},
    });
    const body = await answer.json();
    return {status: answer.status, id: answer.headers.get("x-request-id"), body};
  } catch (error) {
    return String(error);
  }
}
"""


def test_a_page_of_an_origin_that_is_named_may_call(iris: Iris, tmp_path: Path) -> None:
    """The browser asks first, for JSON is no form; a page of any other origin gets nothing."""
    pages = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    named, other = (f"http://{host}:{pages.server_port}" for host in ("127.0.0.1", "localhost"))
    try:
        with (
            running_server(iris.config(cors={"origins": [named]}), tmp_path) as server,
            browsing() as browser,
        ):
            page = browser.new_page()
            given = [f"{server.url}/v1/iris/predict", [iris.rows[0]]]
            page.goto(named)
            told = page.evaluate(_CALL, given)
            assert (told["status"], told["id"]) == (200, "from-a-page")
            assert told["body"]["predictions"] == iris.classes[:1]
            page.goto(other)
            assert "TypeError" in page.evaluate(_CALL, given)
    finally:
        pages.shutdown()
