"""What holds for every room's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import postgres  # noqa: F401  a fixture, found here by pytest
from tests.schema import migrated_once

# Speed is measured in bench/: a busy machine makes no test fail.
settings.register_profile("discreet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("discreet")


@pytest.fixture(scope="session", autouse=True)
def _schema() -> Iterator[None]:
    with migrated_once():
        yield


# Few tests that take long: begun last, one of their files would be waited for alone.
_LONG = ("journey", "faults", "beacon", "releases", "operate")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; within a folder the order stays."""
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return _LONG.index(folder) if folder in _LONG else len(_LONG)

    items.sort(key=place)
