"""What Alembic runs for a migration: on the connection that `database.migrate` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from batch.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot change a column in place
)
with context.begin_transaction():
    context.run_migrations()
