CREATE TYPE main.entry_kind AS ENUM ('debit', 'credit');
CREATE TABLE main.entry (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT entry_pkey PRIMARY KEY,
    account_id integer NOT NULL CONSTRAINT entry_account_id_fkey REFERENCES main.account (id),
    kind main.entry_kind NOT NULL,
    amount integer NOT NULL,
    day date NOT NULL
);
INSERT INTO main.entry (account_id, kind, amount, day)
SELECT a.id, 'debit', main.slowly(a.id), DATE '2024-01-01' + a.id % 60 FROM main.account AS a ORDER BY a.id;
INSERT INTO main.ran VALUES ('0002');
