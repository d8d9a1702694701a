"""Redis and Valkey: the embedded server, connections, scripts."""
