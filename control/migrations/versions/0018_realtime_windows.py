"""The realtime tiers of the last half hour, where there was the newest alone."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0005"


def upgrade() -> None:
    # What it holds is worth five minutes.
    op.drop_table("realtime")
    op.create_table(
        "realtime",
        sa.Column(
            "site", sa.Integer, sa.ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("until", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("tier", sa.String(12), nullable=False),
    )
