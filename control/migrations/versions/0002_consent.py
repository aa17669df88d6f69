"""What a site says of consent: its names of categories, and whether it is for children."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("sites", sa.Column("categories", sa.JSON, nullable=False, server_default="{}"))
    op.add_column(
        "sites",
        sa.Column("child_directed", sa.Boolean, nullable=False, server_default=sa.false()),
    )
