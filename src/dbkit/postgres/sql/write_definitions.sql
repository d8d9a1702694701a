-- The records of objects, in place of those of the same name.
INSERT INTO dbkit.definition AS d (object, service, routine, name, classid, objid, version, major, definition, traits, is_adopted)
SELECT r.*
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (
    object text, service text, routine text, name text, classid oid, objid oid, version text, major integer, definition text,
    traits jsonb, is_adopted boolean
)
ON CONFLICT (object) DO UPDATE
SET
    service = excluded.service, routine = excluded.routine, name = excluded.name, classid = excluded.classid,
    objid = excluded.objid, version = excluded.version, major = excluded.major, definition = excluded.definition,
    traits = excluded.traits, is_adopted = excluded.is_adopted
