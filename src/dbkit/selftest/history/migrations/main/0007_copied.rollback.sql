DELETE FROM main.ledger;
