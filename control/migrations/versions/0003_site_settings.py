"""What a site asks for: its time zones from a day on, exclusions, properties, cities."""

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    zones = op.create_table(
        "site_timezones",
        sa.Column(
            "site", sa.Integer, sa.ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("from_day", sa.Date, primary_key=True),
        sa.Column("timezone", sa.String(64), nullable=False),
    )
    sites = sa.table("sites", sa.column("id", sa.Integer), sa.column("timezone", sa.String))
    always = sa.literal(date.min, sa.Date)
    op.execute(
        zones.insert().from_select(
            ["site", "from_day", "timezone"], sa.select(sites.c.id, always, sites.c.timezone)
        )
    )
    op.drop_column("sites", "timezone")
    for name in ("properties", "excluded_networks", "excluded_hosts", "excluded_paths"):
        op.add_column("sites", sa.Column(name, sa.JSON, nullable=False, server_default="[]"))
    op.add_column("sites", sa.Column("city", sa.Boolean, nullable=False, server_default=sa.false()))
