\set account random(1, :users)
SELECT naive_post(:account, 1);
