-- Who we are on this server, what it is, and which of these roles are there: may we be them?
SELECT
    session_user,
    pg_is_in_recovery(),
    current_setting('server_version'),
    current_setting('default_transaction_read_only')::boolean,
    (
        SELECT coalesce(jsonb_object_agg(r.rolname, pg_has_role(session_user, r.oid, 'MEMBER')), '{}')
        FROM pg_roles AS r
        WHERE r.rolname = ANY(%(roles)s)
    )
