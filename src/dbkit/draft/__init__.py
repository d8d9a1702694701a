"""New migrations, their drafted rollbacks, and their numbers."""
