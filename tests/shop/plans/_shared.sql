-- index: audit.row_changes_row_key_table_name_idx
SELECT c.at, c.changes FROM audit.row_changes AS c
WHERE c.row_key = '12345' AND c.table_name = 'a.table_0' ORDER BY c.at;

-- index: audit.seals_epoch_last_xid_idx
SELECT s.epoch, s.last_xid FROM audit.seals AS s ORDER BY s.epoch DESC, s.last_xid DESC LIMIT 1;

-- index: audit.seals_month_start_idx
SELECT s.root FROM audit.seals AS s
WHERE s.month_start = date_trunc('month', now(), 'UTC') - interval '7 months' AND s.kind = 'batch'
ORDER BY s.number;

-- index: audit.retired_seal_number_key
-- refuses
INSERT INTO audit.retired (month_start, seal_number, change_count)
SELECT '2001-01-01', max(r.seal_number), 1 FROM audit.retired AS r;

-- index: ops.privacy_keys_subject_id_key
SELECT k.subject_ref, k.key FROM ops.privacy_keys AS k WHERE k.subject_id = '4711';
