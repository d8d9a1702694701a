"""For pytest users: migrated, isolated databases in milliseconds."""
