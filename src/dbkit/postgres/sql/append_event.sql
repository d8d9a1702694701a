-- One row of the journal; a trigger fills the chain.
INSERT INTO dbkit.journal (
    run, event, kind, service, object, statement, rendered, rollback, text_hash, checksum, detail,
    os_user, host, pid, dbkit_version, git_commit, environment, fingerprint, previous, hash
) VALUES (
    %(run)s, %(event)s, %(kind)s, %(service)s, %(object)s, %(statement)s, %(rendered)s, %(rollback)s,
    %(text_hash)s, %(checksum)s, %(detail)s, %(os_user)s, %(host)s, %(pid)s, %(version)s, %(commit)s,
    %(environment)s, %(fingerprint)s, '', ''
)
