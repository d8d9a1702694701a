\set giver random(:first, :last)
\set taker random(:first, :last - 1)
\set taker :taker + case when :taker >= :giver then 1 else 0 end
SELECT payment.post_transfer('correction', NULL, ARRAY[:giver, :taker]::bigint[], ARRAY[-1, 1]);
