-- The one row of the lease, if it is free: a new holder, and a token above all before it.
INSERT INTO dbkit.lease AS l (token, holder, expires_at)
SELECT 1, h.holder, clock_timestamp() + make_interval(secs => h.seconds)
FROM (SELECT %s::text AS holder, %s::integer AS seconds) AS h
ON CONFLICT (id) DO UPDATE
SET token = l.token + 1, holder = excluded.holder, taken_at = clock_timestamp(), expires_at = excluded.expires_at
WHERE l.expires_at <= clock_timestamp()
RETURNING l.token
