"""What Alembic runs: all missing migrations, in the transaction that `migrate.run_migrations` holds."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    render_as_batch=True,
    # SQLite can, as long as the driver keeps out of it; else Alembic would commit between two migrations.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
