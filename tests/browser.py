"""A real Chromium for the tests that need one, and what a page did in it.

Found on the machine (`chromium` or Playwright's own). Where there is none the tests are skipped,
saying so, unless DISCREET_REQUIRE_BROWSER=1. Use it with `from tests.browser import browser`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable(playwrights_own: str) -> str | None:
    """The path of a Chromium, or None."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    return found or (playwrights_own if Path(playwrights_own).exists() else None)


def launch(chromium: BrowserType, without: Sequence[str] = ()) -> Browser:
    """A headless Chromium, `without` some of the arguments that Playwright gives it. Requests to
    anywhere but the loopback fail, as offline ones do.
    """
    path = executable(chromium.executable_path)
    if path is None:
        reason = "no Chromium found: install Debian's package chromium"
        if os.environ.get("DISCREET_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return chromium.launch(
        executable_path=path,
        args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        ignore_default_args=list(without),
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The Chromium of a module's tests."""
    with sync_playwright() as playwright:
        chromium = launch(playwright.chromium)
        yield chromium
        chromium.close()


@dataclass
class Seen:
    """What a page said on its console and which hosts it turned to."""

    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


def watch(page: Page | BrowserContext) -> Seen:
    """Records errors, warnings and hosts from now on."""
    seen = Seen()
    page.on("request", lambda request: seen.hosts.add(urlsplit(request.url).netloc))
    page.on(
        "console",
        lambda message: (
            seen.errors.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    if isinstance(page, Page):
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
    return seen
