"""PostgreSQL: servers that we start, connections, the journal."""
