-- Cancel what a backend does; where the transaction is told, only while it is that one.
SELECT pg_cancel_backend(a.pid)
FROM pg_stat_activity AS a
WHERE a.pid = %(pid)s AND (%(xid)s::xid8 IS NULL OR a.backend_xid = %(xid)s::xid8::xid)
