\set id random(1, 100000)
UPDATE public.wide SET state = 'confirmed', state_reason = 'paid', updated_at = clock_timestamp(), version = version + 1 WHERE id = :id;
