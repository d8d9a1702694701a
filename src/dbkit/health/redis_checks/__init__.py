"""One Redis check a file; each module has a `check`."""
