\set giver random(:first, :last)
\set taker random(:first, :last)
WITH transfer AS (
    INSERT INTO bare_transfers (kind, epoch) VALUES ('correction', 1) RETURNING id, epoch, xid
)
INSERT INTO bare_entries (transfer_id, account_id, currency, amount, epoch, xid)
SELECT t.id, line.account_id, 'USD', line.amount, t.epoch, t.xid
FROM transfer AS t, (VALUES (:giver::bigint, -1), (:taker, 1)) AS line (account_id, amount);
