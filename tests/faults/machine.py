"""The service on a machine whose processes, disk, clock and store can be made to fail."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from store.clickhouse import Store, StoreUnavailable
from store.endpoint import read
from tests.faults.proxy import Proxy, Upstream
from tests.service import ROOT, Service, eventually
from tests.store.conftest import SERVER, Where

# Adds to the clock of the machine the seconds that a file holds, for the process that loads it.
_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile long long *shift;
static long long seconds(void) {
    if (!shift) {
        int file = open(getenv("FAULTS_CLOCK"), O_RDONLY | O_CLOEXEC);
        void *at = file < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
        if (at == MAP_FAILED) return 0;
        shift = at;
    }
    return *shift;
}
int clock_gettime(clockid_t id, struct timespec *to) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, to);
    if (!result && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) to->tv_sec += seconds();
    return result;
}
int gettimeofday(struct timeval *restrict to, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
"""


@cache
def clock_library() -> str:
    """The path of the compiled clock; '' on a machine without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return ""
    folder = Path(tempfile.mkdtemp(prefix="discreet-clock-"))
    (folder / "clock.c").write_text(_CLOCK)
    library = folder / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, folder / "clock.c", "-ldl"]
    return str(library) if subprocess.run(command, check=False).returncode == 0 else ""


class Engine:
    """The embedded engine in a process of its own, as if it were a server: it can be killed."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.store = Store(Where(home))

    def start(self) -> None:
        script = (
            "import sys, signal; from pathlib import Path; from store.front import serving\n"
            f"with serving(Path({str(self.home)!r})): signal.sigwait([signal.SIGTERM])"
        )
        self._process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
        eventually(self._answers, "the engine")

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def upstream(self) -> Upstream | None:
        found = read(self.home)
        return found and Upstream("127.0.0.1", found.port, found.user, found.password)

    def _answers(self) -> bool:
        try:
            self.store.ping()
        except StoreUnavailable:
            return False
        return True


class Server:
    """The real server of DISCREET_TEST_CLICKHOUSE_URL, and a database there. Nobody kills it."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        url = urlsplit(SERVER)
        self._name = f"discreet_faults_{secrets.token_hex(4)}"
        self._admin = Store(Where(home, url._replace(path="/default").geturl()))
        self.store = Store(Where(home, url._replace(path=f"/{self._name}").geturl()))
        self._upstream = Upstream(
            url.hostname or "", url.port or 8123, url.username or "default", url.password or ""
        )

    def start(self) -> None:
        self._admin.command(f"CREATE DATABASE IF NOT EXISTS {self._name}")

    def stop(self) -> None:
        self._admin.command(f"DROP DATABASE IF EXISTS {self._name}")

    def upstream(self) -> Upstream | None:
        return self._upstream

    @property
    def path(self) -> str:
        return f"/{self._name}"


class Machine:
    """Web and worker, and the store in the worker (`proxy` is None) or behind a failing proxy."""

    def __init__(self, home: Path, behind_proxy: bool, **settings: str) -> None:
        self.proxy: Proxy | None = None
        self._clock = home.parent / f"{home.name}.clock"
        self._clock.write_bytes(bytes(8))
        self.engine: Engine | Server | None = None
        if behind_proxy:
            where = home.parent / f"{home.name}-engine"
            self.engine = Server(where) if SERVER else Engine(where)
            self.engine.start()
            self.proxy = Proxy(self.engine.upstream)
            path = self.engine.path if isinstance(self.engine, Server) else "/default"
            url = f"http://somebody:else@127.0.0.1:{self.proxy.port}{path}"
            settings["DISCREET_CLICKHOUSE_URL"] = url
        self.service = Service(home, **settings)
        self._plain = dict(self.service.env)

    @property
    def store(self) -> Store:
        """Never through the proxy."""
        return self.engine.store if self.engine else self.service.store

    def start(self, *names: str) -> None:
        """The web process's clock can jump, where there is a compiler."""
        for name in names:
            self.service.env = dict(self._plain)
            if name == "web" and clock_library():
                self.service.env |= {
                    "LD_PRELOAD": clock_library(),
                    "FAULTS_CLOCK": str(self._clock),
                }
            self.service.start(name)

    def kill(self, *names: str) -> None:
        self.service.kill(*names)

    def kill_master(self) -> None:
        """gunicorn's master alone: its children notice, finish what they have begun, and end."""
        children = self.children()
        process = self.service._processes.pop("web")
        process.kill()
        process.wait()
        # Until then they keep the port.
        eventually(lambda: not any(map(_resident, children)), "the orphans' end")

    def children(self) -> list[int]:
        """The process ids of gunicorn's workers."""
        master = self.service._processes["web"].pid
        text = Path(f"/proc/{master}/task/{master}/children").read_text()
        return [int(number) for number in text.split()]

    def jump(self, seconds: int) -> None:
        """Sets the web processes' clock so much off."""
        with self._clock.open("r+b") as file:
            file.write(struct.pack("<q", seconds))

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """No file of the web processes can grow any more (RLIMIT_FSIZE).

        On a `small_disk` a file takes all room that is left, for the worker too.
        """
        spool = self.service.home / "spool"
        if os.path.ismount(self.service.home):
            ballast = spool.parent / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 16))
            try:
                yield
            finally:
                ballast.unlink()
            return
        limited = []
        for pid in self.children():
            with contextlib.suppress(ProcessLookupError):
                limited.append((pid, resource.prlimit(pid, resource.RLIMIT_FSIZE)))
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, limited[-1][1][1]))
        try:
            yield
        finally:
            for pid, limits in limited:
                with contextlib.suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)

    def resident(self) -> dict[str, int]:
        """Resident memory by process, in MiB; gunicorn's master and workers together."""
        web = [self.service._processes["web"].pid, *self.children()]
        return {
            "web": sum(map(_resident, web)) >> 20,
            "worker": _resident(self.service._processes["worker"].pid) >> 20,
        }

    def close(self) -> None:
        self.service.stop()
        if self.engine is not None:
            self.engine.stop()


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except FileNotFoundError:
        return 0
    return pages * resource.getpagesize()


@contextlib.contextmanager
def running(home: Path, behind_proxy: bool, **settings: str) -> Iterator[Machine]:
    machine = Machine(home, behind_proxy, **settings)
    with machine.proxy or contextlib.nullcontext():
        try:
            machine.start("worker", "web")
            yield machine
        finally:
            machine.close()


@contextlib.contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[bool]:
    """Mounts a disk of its own there if this process may; says whether."""
    folder.mkdir(parents=True, exist_ok=True)
    libc: Any = ctypes.CDLL(None, use_errno=True)
    options = f"size={mebibytes}m,mode=700".encode()
    mounted = libc.mount(b"faults", str(folder).encode(), b"tmpfs", 0, options) == 0
    try:
        yield mounted
    finally:
        if mounted:
            libc.umount2(str(folder).encode(), 2)  # MNT_DETACH


def end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
