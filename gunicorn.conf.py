"""The web process: gunicorn reads this file. `PORT` and `WEB_CONCURRENCY` as usual."""

import contextlib
import ctypes
import gc
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # wherever gunicorn was called
# All code is read once, in the master, and shared with the processes that it forks: they are there
# within a tenth of a second and their memory is mostly one. What holds state is made by each after
# the fork, in wsgi.py; but for the buckets of ingest.limits, which lie in memory that all share.
import operate.application  # noqa: F401

# A search for cycles would write to every object, and the memory would be shared no longer.
gc.collect()
gc.freeze()

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY") or os.cpu_count() or 1)
# Reads requests whole, so that a slow client holds up nobody; threads answer what takes long.
worker_class = "ingest.worker.Worker"
threads = 8
keepalive = 5
# Who the client is behind a proxy is decided in one place: ProxyFix, by DISCREET_TRUSTED_PROXIES.
# gunicorn believes a Unix socket's other side whatever stands in the first: so nothing of it.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
# Its strictness is tested here; a faster one would be taken wherever it is installed.
http_parser = "python"
timeout = 60
graceful_timeout = 20

# Request lines and headers longer than any that we accept are refused before they are read whole.
limit_request_line = 8190
limit_request_field_size = 16380

# The access log would print addresses and queries; what counts is in /metrics and the tallies.
accesslog = None
logger_class = "operate.logs.GunicornLogger"
# gunicorn would otherwise open a control socket in the user's home.
control_socket_disable = True
# Nothing of a request may lie in the system's folder: the heartbeat file goes to memory.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  only gunicorn's empty file

_PR_SET_PDEATHSIG = 1  # prctl(2)


def post_fork(server: object, worker: object) -> None:
    """A master that is killed takes its processes along, each after the requests that it has begun.

    gunicorn's threads would otherwise keep their connections, and with them the port, for as long
    as clients use them.
    """
    with contextlib.suppress(OSError, AttributeError):  # not on Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
