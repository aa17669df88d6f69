"""The matrix: a column that it does not grant cannot reach a row, whatever was computed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize import matrix
from anonymize.calendar import Moment
from anonymize.event import Basis, Row

# What every row has, whatever its basis: set by the pipeline's frame, not by a step.
ALWAYS = {"site", "day", "basis", "purposes", "expires"}
COLUMNS = [field.name for field in msgspec.structs.fields(Row)]


def test_the_matrix_and_the_row_name_the_same_columns():
    assert {grant.column for grant in matrix.MATRIX} | ALWAYS == set(COLUMNS)


@pytest.mark.parametrize("basis", list(Basis))
@given(value=st.integers(min_value=1) | st.text(min_size=1))
def test_nothing_reaches_a_row_that_its_basis_is_not_granted(basis, value):
    fields = {column: value for column in COLUMNS if column not in ("time", "received", "language")}
    kept = matrix.keep(basis, fields | {"invented": value})
    granted = {g.column for g in matrix.MATRIX if getattr(g, basis.value) is not None}
    assert set(kept) <= granted


def test_without_consent_or_exemption_no_pseudonym_and_no_second_is_kept():
    time, received = Moment(7265, 7200), Moment(10_999, 10_800)
    fields = {"visitor": "1", "user": "2", "visit": 3, "time": time, "received": received}
    assert matrix.keep(Basis.NONE, fields) == {"time": 7200, "received": 10_800}


@pytest.mark.parametrize(
    ("basis", "language"), [(Basis.CONSENT, "nl-BE"), (Basis.EXEMPT, "nl"), (Basis.NONE, None)]
)
def test_language_is_kept_as_finely_as_the_basis_allows(basis, language):
    assert matrix.keep(basis, {"language": "nl-BE"}).get("language") == language


@pytest.mark.parametrize("basis", list(Basis))
def test_a_city_is_kept_with_consent_alone_and_only_where_the_site_asks(basis):
    fields = {"city": "Ghent"}
    assert matrix.keep(basis, fields) == {}
    asked = matrix.keep(basis, fields, frozenset({"city"}))
    assert asked == (fields if basis is Basis.CONSENT else {})


@pytest.mark.parametrize("basis", list(Basis))
def test_asking_for_what_the_matrix_does_not_offer_gives_nothing(basis):
    asked = frozenset(COLUMNS) - {"city"}
    fields = {column: "x" for column in COLUMNS if column not in ("time", "received")}
    assert matrix.keep(basis, fields, asked) == matrix.keep(basis, fields)


def test_no_row_outlives_the_legal_limit_of_thirteen_months():
    assert max(matrix.LIFETIME.values()) <= 395
