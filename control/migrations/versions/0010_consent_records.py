"""What people decided about being measured, and what of the spool a withdrawal reaches."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def _site(*, key: bool = False) -> sa.Column[int]:
    of = sa.ForeignKey("sites.id", ondelete="CASCADE")
    return sa.Column("site", sa.Integer, of, nullable=False, primary_key=key)


def upgrade() -> None:
    op.create_table(
        "consent_records",
        sa.Column("number", sa.Integer, primary_key=True),
        _site(),
        sa.Column("client", sa.String(32), nullable=False),
        sa.Column("receipt", sa.String(64), nullable=False, unique=True),
        sa.Column("status", sa.String(9), nullable=False),
        sa.Column("purposes", sa.JSON, nullable=False),
        sa.Column("notice_version", sa.String(64), nullable=False),
        sa.Column("notice_hash", sa.String(64), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("method", sa.String(12), nullable=False),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("consent_records_client", "consent_records", ["site", "client"])
    op.create_table(
        "subject_tokens",
        _site(key=True),
        sa.Column("client", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "withheld",
        sa.Column("number", sa.Integer, primary_key=True),
        _site(),
        sa.Column("visitor", sa.String(39), nullable=False),
        sa.Column("purposes", sa.JSON, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    _append_only()


# A decision is on record for good: nobody who holds the service's own credentials changes one by
# mistake. Removing the site removes them with it.
_REFUSAL = "a consent record is never changed"


def _append_only() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION keep_consent_records() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER consent_records_kept BEFORE UPDATE ON consent_records"
            " FOR EACH ROW EXECUTE FUNCTION keep_consent_records()"
        )
    else:
        op.execute(
            "CREATE TRIGGER consent_records_kept BEFORE UPDATE ON consent_records"
            f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )
