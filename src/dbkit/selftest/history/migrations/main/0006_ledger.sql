CREATE TABLE main.ledger (
    id bigint NOT NULL,
    day date NOT NULL,
    amount integer NOT NULL,
    copied integer NOT NULL DEFAULT 1
) PARTITION BY RANGE (day);
CREATE TABLE main.ledger_2024_01 PARTITION OF main.ledger FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE main.ledger_2024_02 PARTITION OF main.ledger FOR VALUES FROM ('2024-02-01') TO ('2024-04-01');
INSERT INTO main.ran VALUES ('0006');
