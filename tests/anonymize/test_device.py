"""Device facts leave as buckets, and nothing that names one device leaves at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize import device

GIB = 1024**3


@pytest.mark.parametrize(
    ("total", "bucket"),
    [
        (None, ""),
        (-1, ""),
        (0, ""),
        (1, "<2 GB"),
        (2 * GIB - 1, "<2 GB"),
        (2 * GIB, "2–4 GB"),
        (6 * GIB, "4–8 GB"),
        (8 * GIB, "8–16 GB"),
        (16 * GIB, "16+ GB"),
        (2**63, "16+ GB"),
    ],
)
def test_memory_is_a_bucket(total: int | None, bucket: str) -> None:
    assert device.memory(total) == bucket


@pytest.mark.parametrize(
    ("total", "system", "bucket"),
    [
        (None, "Android", ""),
        (128 * GIB, "Android", "128–256 GB"),
        (119 * GIB, "Android", "64–128 GB"),
        (10**15, "", "256+ GB"),
        (128 * GIB, "iOS", ""),
    ],
)
def test_storage_is_a_bucket_and_never_comes_from_ios(
    total: int | None, system: str, bucket: str
) -> None:
    assert device.storage(total, system) == bucket


@pytest.mark.parametrize(
    ("level", "bucket"),
    [
        (None, ""),
        (0.0, "<20 %"),
        (0.1999, "<20 %"),
        (0.2, "20–50 %"),
        (0.5, "50–80 %"),
        (1.0, "80–100 %"),
        (1.01, ""),
        (-0.1, ""),
        (87.0, ""),
        (float("nan"), ""),
    ],
)
def test_the_battery_is_a_bucket(level: float | None, bucket: str) -> None:
    assert device.battery(level) == bucket


@pytest.mark.parametrize(
    ("width", "bucket"),
    [
        (None, ""),
        (0, ""),
        (-5, ""),
        (390, "<576"),
        (575, "<576"),
        (576, "576–767"),
        (1440, "1200–1599"),
        (2560, "2000+"),
        (20_001, ""),
    ],
)
def test_the_width_of_a_screen_is_a_bucket(width: int | None, bucket: str) -> None:
    assert device.screen_size(width) == bucket


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("wifi", "Wi-Fi"),
        ("WIFI", "Wi-Fi"),
        ("cellular", "Cellular"),
        ("none", "Offline"),
        ("My Home Network", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_of_a_connection_only_its_kind_is_kept(kind: str | None, name: str) -> None:
    assert device.connection(kind) == name


@pytest.mark.parametrize(
    ("stated", "model"),
    [
        ("iPhone15,2", "iPhone15,2"),
        ("SM-G991B", "SM-G991B"),
        ("Pixel 8 Pro", "Pixel 8 Pro"),
        ("SAMSUNG-SM-N900A", "SAMSUNG-SM-N900A"),
        (None, ""),
        ("6D92078A-8246-4BA4-AE5B-76104861E7DC", "{uuid}"),  # an IDFA
        ("38400000-8cf0-11bd-b23e-10b96e40000d", "{uuid}"),  # a GAID
        ("356938035643809", "{number}"),  # an IMEI
        ("35-693803-564380-9", "{number}"),
        ("Phone 3c:5a:b4:00:ff:01", "Phone {address}"),
        ("R58N12ABCDE jan@example.com", "R58N12ABCDE {email}"),
        ("x" * 80, "x" * 60),
        ("x" * 57 + " jan@example.com", "x" * 57),
    ],
)
def test_a_model_is_kept_without_what_names_one_device(stated: str | None, model: str) -> None:
    assert device.model(stated) == model


@given(st.integers() | st.none(), st.floats() | st.none(), st.text() | st.none())
def test_there_are_few_buckets_whatever_is_stated(
    whole: int | None, level: float | None, text: str | None
) -> None:
    assert len(device.memory(whole)) <= 8
    assert len(device.storage(whole, "Android")) <= 10
    assert len(device.screen_size(whole)) <= 9
    assert len(device.battery(level)) <= 8
    assert len(device.connection(text)) <= 8
    assert len(device.model(text)) <= 60
