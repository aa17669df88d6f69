"""Alembic's hook: runs on the connection that `control.database.open_control` hands over."""

from alembic import context

from control.database import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
