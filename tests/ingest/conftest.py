import pytest

from tests.ingest.world import CHROME, make


@pytest.fixture
def world(tmp_path):
    made = make(tmp_path)
    yield made
    made.spool.close()
    made.control.dispose()
    made.keys._engine.dispose()


@pytest.fixture
def client(world):
    client = world.app().test_client()
    client.environ_base["HTTP_USER_AGENT"] = CHROME
    client.environ_base["REMOTE_ADDR"] = "192.0.2.77"
    return client
