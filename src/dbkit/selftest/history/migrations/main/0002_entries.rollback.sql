DROP TABLE main.entry;
DROP TYPE main.entry_kind;
