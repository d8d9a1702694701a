"""Lua 5.1, which Redis runs: parsed, its names resolved, its calls of the server found."""
