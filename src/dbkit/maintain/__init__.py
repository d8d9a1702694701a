"""Looking after a database that is there: example data, vacuum."""
