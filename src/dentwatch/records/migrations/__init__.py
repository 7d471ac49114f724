"""Alembic's migrations of the database; ``versions`` holds one file a change, oldest first by number."""
