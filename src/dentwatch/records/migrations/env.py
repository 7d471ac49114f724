"""Where Alembic runs the migrations: on the connection that :class:`dentwatch.records.database.Database` hands it."""

from alembic import context

from dentwatch.records import alert_tables, kpi_tables, loop_tables, monitoring_tables  # noqa: F401 (they join the others)
from dentwatch.records.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
