"""Requests of data subjects, and whose rows are restricted."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0012"


def _site(*, key: bool = False) -> sa.Column[int]:
    of = sa.ForeignKey("sites.id", ondelete="CASCADE")
    return sa.Column("site", sa.Integer, of, nullable=False, primary_key=key)


def upgrade() -> None:
    op.create_table(
        "subject_requests",
        sa.Column("number", sa.Integer, primary_key=True),
        _site(),
        sa.Column("receipt", sa.String(64), nullable=False, unique=True),
        sa.Column("kind", sa.String(13), nullable=False),
        sa.Column("state", sa.String(11), nullable=False, index=True),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("client", sa.String(32), nullable=False),
        sa.Column("visitors", sa.JSON, nullable=False),
        sa.Column("users", sa.JSON, nullable=False),
        sa.Column("detail", sa.LargeBinary),
        sa.Column("opening", sa.LargeBinary),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("rows", sa.BigInteger),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "restrictions",
        _site(key=True),
        sa.Column("pseudonym", sa.String(39), primary_key=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )
