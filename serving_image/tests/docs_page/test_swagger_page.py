"""The page's files: all that it names is there, and nothing is of another host."""

from __future__ import annotations

import gzip
import re

from servestack_server.docs_page.swagger import CONTENT_SECURITY_POLICY, swagger_page


def test_page_names_only_files_that_are_there() -> None:
    page = swagger_page("openapi.json")
    html = page["index.html"][1].decode()
    named = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(named) == 4
    assert all(name.removeprefix("docs/") in page for name in named)
    assert "<script>" not in html


def test_document_is_named_as_it_was_given_and_quoted() -> None:
    script = swagger_page('/v1/"iris/openapi.json')["start.js"][1].decode()
    assert r'url: "/v1/\"iris/openapi.json"' in script
    assert "validatorUrl: null" in script


def test_compressed_files_hold_the_plain_ones() -> None:
    page = swagger_page("openapi.json")
    compressed = [name for name in page if name.endswith(".gz")]
    assert sorted(compressed) == ["swagger-ui-bundle.js.gz", "swagger-ui.css.gz"]
    for name in compressed:
        content_type, data = page[name]
        assert (content_type, gzip.decompress(data)) == page[name.removesuffix(".gz")]
        assert len(data) < len(page[name.removesuffix(".gz")][1]) / 3


def test_policy_allows_no_other_host() -> None:
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "unsafe-eval" not in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
