"""What Alembic runs for every command; `gateway.migration` has opened and locked the database."""

from alembic import context

from common.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
