"""What holds for every room's tests."""

from hypothesis import HealthCheck, settings

from tests.postgres import postgres  # noqa: F401  a fixture, found here by pytest

# Speed is measured in bench/: a busy machine makes no test fail.
settings.register_profile("discreet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("discreet")
