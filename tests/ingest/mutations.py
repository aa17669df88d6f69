"""`python -m tests.ingest.mutations`: 100,000 mutations of a good batch, and their answers."""

import tempfile
from pathlib import Path

from tests.ingest.test_conformance import mutations
from tests.ingest.world import CHROME, make

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        world = make(Path(folder))
        client = world.app().test_client()
        client.environ_base |= {"HTTP_USER_AGENT": CHROME, "REMOTE_ADDR": "192.0.2.77"}
        totals = mutations(world, client, seed=0, count=100_000)
        print(", ".join(f"{status}: {n}" for status, n in totals.items()))
        world.spool.close()
