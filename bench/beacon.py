"""The beacon: what each script weighs, and what it costs a page's main thread in Chromium."""

from __future__ import annotations

import json
import statistics
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import CDPSession, sync_playwright

from dashboards.assets import FOLDER
from tests.browser import executable

LOADS = 15
EVENTS = 1000


class _Pages(BaseHTTPRequestHandler):
    """A page with the tag or, under /bare, without it; takes every event."""

    def do_GET(self) -> None:
        if self.path.startswith("/js/"):
            self._answer("text/javascript", (FOLDER / self.path.removeprefix("/js/")).read_bytes())
            return
        script = "" if self.path == "/bare" else '<script defer src="/js/{}" data-key=k></script>'
        name = "core.js" if self.path == "/core" else "discreet.js"
        page = f"<!doctype html><link rel=icon href=data:,>{script.format(name)}<h1>Page</h1>"
        self._answer("text/html", page.encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("application/json", b"{}")

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _spent(session: CDPSession) -> float:
    """Milliseconds of script on the main thread so far (Chromium's own count)."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(m["value"] for m in metrics if m["name"] == "ScriptDuration")


def _load(browser: Any, address: str) -> tuple[float, float]:
    """Milliseconds of script until a fresh page has loaded and sent, and its layout shift."""
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    page.goto(address)
    page.wait_for_timeout(400)
    spent = _spent(session)
    shift = page.evaluate(
        "new Promise((done) => { let sum = 0; new PerformanceObserver((list) => {"
        "for (const {value} of list.getEntries()) sum += value; })"
        ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(sum), 50); })"
    )
    context.close()
    return spent, shift


def main() -> None:
    print("## The beacon (`bench/beacon.py`)\n")
    print("| script | bytes, gzipped |\n|---|---|")
    for name, built in json.loads((FOLDER / "beacon.json").read_text()).items():
        print(f"| `{name}` | {built['size']:,} |")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}"
    with sync_playwright() as playwright:
        path = executable(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        found = {
            name: [_load(browser, f"{origin}/{name}") for _ in range(LOADS)]
            for name in ("bare", "core", "standard")
        }
        page = browser.new_page()
        page.goto(f"{origin}/standard")
        event = page.evaluate(
            f"(() => {{ const began = performance.now(); for (let n = 0; n < {EVENTS}; n++)"
            f" discreet('Event', {{props: {{n}}}}); return (performance.now() - began) / {EVENTS};"
            "})()"
        )
        browser.close()
    server.shutdown()
    middle = {name: statistics.median(time for time, _ in runs) for name, runs in found.items()}
    shift = max(shift for runs in found.values() for _, shift in runs)
    print("\n| | |\n|---|---|")
    for name in ("core", "standard"):
        cost = middle[name] - middle["bare"]
        print(f"| main thread, loading and sending the first view, {name} | {cost:.1f} ms |")
    print(f"| main thread, one event | {1000 * event:.0f} µs |")
    print(f"| layout shift | {shift:g} |\n")


if __name__ == "__main__":
    main()
