-- dbkit's journal, version 3: the live definition of each object that a routine made, as it was after dbkit's last word.
CREATE TABLE dbkit.definition (
    object text CONSTRAINT definition_pkey PRIMARY KEY,
    service text NOT NULL,
    routine text NOT NULL,
    name text NOT NULL,
    classid oid NOT NULL,
    objid oid,
    version text NOT NULL,
    major integer NOT NULL,
    definition text NOT NULL,
    traits jsonb NOT NULL,
    is_adopted boolean NOT NULL DEFAULT FALSE
);
CREATE INDEX definition_service_idx ON dbkit.definition (service);
COMMENT ON TABLE dbkit.definition IS
'What each routine made, as dbkit left it: a hand-made change is what differs. No objid: dropped by dbkit, and due again.';
COMMENT ON COLUMN dbkit.definition.version IS
'The row versions (xmin) of the object in the catalog: while they are the same, nobody changed it.';
COMMENT ON COLUMN dbkit.definition.traits IS
'What a new major prints as the old one did: owner, privileges, settings, source, volatility.';

INSERT INTO dbkit.version (version) VALUES (3);
