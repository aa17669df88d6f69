"""Whether a site's first event has come, for the page that says how to install it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "first_events",
        sa.Column(
            "site", sa.Integer, sa.ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True)),
    )
    # Sites that are measured already: `rows` is a digest of what there was.
    op.execute(
        "INSERT INTO first_events (site, reason, received_at)"
        " SELECT site, '', min(computed_at) FROM released_days WHERE rows <> 0 GROUP BY site"
    )
