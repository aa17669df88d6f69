"""Authorisations: who holds which role where, what for, by whom, until when."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"

# As `accounts.grants.REVIEW`: what was granted before is looked at within half a year.
_REVIEW_DAYS = 182


def upgrade() -> None:
    op.create_table(
        "grants",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column(
            "person", sa.Integer, sa.ForeignKey("people.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("scope", sa.String(8), nullable=False),
        sa.Column("site", sa.Integer, sa.ForeignKey("sites.id", ondelete="CASCADE")),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(500), nullable=False),
        sa.Column("granted_by", sa.String(254), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("review_by", sa.Date, nullable=False),
        sqlite_autoincrement=True,
    )
    days = f"date('now', '+{_REVIEW_DAYS} days')"
    if op.get_bind().dialect.name == "postgresql":
        days = f"CURRENT_DATE + {_REVIEW_DAYS}"
    # What people could see before, they see on: every site. Those shut out hold nothing.
    op.execute(
        "INSERT INTO grants"  # noqa: S608  no word of it comes from outside
        " (person, scope, role, purpose, granted_by, granted_at, until, review_by)"
        " SELECT id, 'all', role, purpose, 'command line', created_at, until,"
        f" {days} FROM people WHERE NOT disabled"
    )
    for column in ("role", "purpose", "until"):
        op.drop_column("people", column)
