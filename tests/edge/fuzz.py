"""`make fuzz`: what /openapi.json describes, asked with what nobody expects, by schemathesis.

The whole application over the embedded store, in this process, as an administrator with a token
would ask it, and without the check against forged forms: every handler is reached. Anything that
answers with a 5xx is printed, and is an error.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from accounts.people import People
from accounts.sessions import Sessions
from accounts.tokens import Tokens
from config.settings import load
from operate import application
from operate.services import build
from releases.reading import Reading
from store.clickhouse import hosting
from store.migrate import migrate

EXAMPLES = os.environ.get("EXAMPLES", "100")
# The spool is full, by design, when it is; and who signs out asks nothing more.
_LEFT_OUT = ("/sign-out", "/account/sessions/end-others")


class _Silent(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """What is asked is no news."""


def main() -> int:
    """Returns the exit status of schemathesis."""
    with tempfile.TemporaryDirectory() as home:
        settings = load({"DISCREET_HOME": home, "DISCREET_SENDER_LIMIT": "0"})
        made = build(settings)
        site = made.sites.add("shop.example.com", "Europe/Brussels", "exempt", "BE")
        with hosting(settings) as store:
            migrate(store)
            services = replace(made, store=store, reading=Reading(store, made.control))
            app = application.assemble(services)
            app.config["WTF_CSRF_ENABLED"] = False
            person = People(made.control).invite("root@example.com", "admin", "tries it").person
            client = app.test_client()
            token = Sessions(made.control).begin(person, "fuzzer")
            with client.session_transaction() as session:
                session.update(_user_id=token, _fresh=True)
            cookie = client.get_cookie("discreet")
            assert cookie is not None
            bearer = Tokens(made.control).add(site, "stats:read").text
            server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                return _run(server.port, f"discreet={cookie.value}", bearer)
            finally:
                server.shutdown()
                thread.join()
                made.control.dispose()


def _run(port: int, cookie: str, bearer: str) -> int:
    left_out = [word for path in _LEFT_OUT for word in ("--exclude-path", path)]
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run",
        f"http://127.0.0.1:{port}/openapi.json", "--checks", "not_a_server_error",
        "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES,
        "--header", f"Cookie: {cookie}", "--header", f"Authorization: Bearer {bearer}",
        "--no-color", "--warnings", "off", "--continue-on-failure", "--seed", "1", *left_out,
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:  # it leaves a database of examples behind
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
