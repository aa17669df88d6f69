"""Passwords, second factors, sessions kept at the server, and failed tries to sign in."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def _person() -> sa.Column[int]:
    return sa.Column(
        "person", sa.Integer, sa.ForeignKey("people.id", ondelete="CASCADE"), nullable=False
    )


def upgrade() -> None:
    # The hash starts with its own parameters; the seed is sealed by the secret key.
    op.add_column("people", sa.Column("password", sa.String(200)))
    op.add_column("people", sa.Column("seed", sa.LargeBinary))
    op.add_column("people", sa.Column("seed_step", sa.BigInteger))
    op.create_table(
        "recovery_codes", sa.Column("digest", sa.String(64), primary_key=True), _person()
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        _person(),
        sa.Column("browser", sa.String(64), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
    )
    # Sessions were bound to their link; from now on they have a table of their own.
    op.execute("DELETE FROM sign_in_links WHERE used_at IS NOT NULL")
