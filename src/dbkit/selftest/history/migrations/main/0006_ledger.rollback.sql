DROP TABLE main.ledger;
