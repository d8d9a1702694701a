-- The node that has a schema's tables, where Citus spreads schemas; all of them are in one place.
SELECT
    d.nodename || ':' || d.nodeport
FROM pg_dist_schema AS s
INNER JOIN pg_dist_partition AS t ON s.colocationid = t.colocationid
INNER JOIN pg_dist_shard AS h ON t.logicalrelid = h.logicalrelid
INNER JOIN pg_dist_placement AS p ON h.shardid = p.shardid
INNER JOIN pg_dist_node AS d ON p.groupid = d.groupid AND d.noderole = 'primary'
WHERE s.schemaid = to_regnamespace(%(schema)s)
LIMIT 1
