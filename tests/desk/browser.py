"""Chromium as it is installed on this machine, driven by Playwright, which brings no browser along here."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Browser as PlaywrightBrowser
    from playwright.async_api import BrowserContext, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1180, "height": 860}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 15_000
EXPECTED = ("Failed to load resource", "WebSocket connection")
"""What the console tells of requests that fail, which is what some tests are about."""


def find_chromium() -> str:
    """Return where Chromium is. Skips the test when it, or Playwright, is not here."""
    pytest.importorskip("playwright", reason="the page is not tested: Playwright comes with the dev extra")
    found = filter(None, map(shutil.which, NAMES))
    path = next(filter(_starts, found), None)
    if path is None:
        pytest.skip(f"the page is not tested: there is no {', '.join(NAMES)} that starts on this machine")
    return path


def _starts(path: str) -> bool:
    """Tell whether it is more than a stub that asks for a package to be installed."""
    asked = subprocess.run([path, "--version"], capture_output=True, check=False, timeout=60)
    return asked.returncode == 0


class Browser:
    """A browser; every page must end without an error of its own and without one on its console."""

    def __init__(self, chromium: "PlaywrightBrowser") -> None:
        self._chromium = chromium
        self._contexts: list[BrowserContext] = []
        self.failures: list[str] = []

    async def profile(self, **options: Any) -> "BrowserContext":
        """Open a profile of its own, as another person's browser has."""
        context = await self._chromium.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **options})
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        return context

    async def open(self, url: str, **options: Any) -> "Page":
        """Open an address in a profile of its own."""
        return await self.tab(await self.profile(**options), url)

    async def tab(self, context: "BrowserContext", url: str) -> "Page":
        """Open an address in a profile that is open."""
        page = await context.new_page()
        page.on("pageerror", lambda error: self.failures.append(str(error)))
        page.on("console", self._console)
        await page.goto(url)
        return page

    def _console(self, message: Any) -> None:
        if message.type == "error" and not message.text.startswith(EXPECTED):
            self.failures.append(message.text)

    async def close(self) -> None:
        """Close everything."""
        for context in self._contexts:
            await context.close()


@asynccontextmanager
async def opened_browser(path: str) -> AsyncIterator[Browser]:
    """Run Chromium; fails when a page had an error."""
    async with import_module("playwright.async_api").async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        browser = Browser(chromium)
        try:
            yield browser
            await browser.close()
        finally:
            await chromium.close()
        assert browser.failures == []


def expect(found: Any) -> Any:
    """Return Playwright's assertions about a page or a part of it; they wait until they hold."""
    waiting = import_module("playwright.async_api").expect
    waiting.set_options(timeout=PATIENCE_MS)
    return waiting(found)
