"""What says whether a day's rows have changed is a digest of them, and no number of rows."""

from alembic import op

revision = "0007"
down_revision = "0010"


def upgrade() -> None:
    for table in ("released_days", "released_definitions"):
        op.execute(f"ALTER TABLE {table} RENAME COLUMN rows TO digest")
