"""A real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright
from tools.install import install


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium. Root in a container has no sandbox, and /dev/shm is small there."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=install("chromium"), headless=True,
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )  # fmt: skip
        try:
            yield browser
        finally:
            browser.close()
