"""`python -m tests.ingest.mutations`: 100,000 mutations of what is good, and their answers."""

import tempfile
from pathlib import Path

from tests.ingest.test_conformance import mutations
from tests.ingest.world import CHROME, make

_COUNTS = {"/v1/batch": 50_000, "/v1/track": 25_000, "/api/event": 25_000}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name or 'nothing'} {n}" for name, n in sorted(counts.items()))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        world = make(Path(folder))
        client = world.app().test_client()
        client.environ_base |= {"HTTP_USER_AGENT": CHROME, "REMOTE_ADDR": "192.0.2.77"}
        for path, count in _COUNTS.items():
            came = mutations(world, client, path, seed=0, count=count)
            print(f"{path}: {_listed(came.answers)}; 5xx {came.answers['5xx']}")
            print(f"  told why: {_listed(came.reasons)}")
            print(f"  slowest: {came.slowest * 1000:.0f} ms of processor time")
        world.spool.close()
        world.control.dispose()
