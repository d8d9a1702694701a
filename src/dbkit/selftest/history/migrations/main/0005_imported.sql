CREATE TABLE main.imported (id integer NOT NULL, note text);
COPY main.imported (id, note) FROM stdin;
1	one; two
2	\N
3	three\ttabs
\.
ALTER TABLE main.account ALTER COLUMN balance SET NOT NULL;
INSERT INTO main.ran VALUES ('0005');
