SELECT l.table_name, l.partition_name, l.starts_at, l.ends_at, l.state, l.release_function, e.archive
FROM ops.leaving_partitions() WITH ORDINALITY AS l (table_name, partition_name, starts_at, ends_at, state, release_function, place)
LEFT JOIN ops.partition_exits AS e ON e.partition_name = l.partition_name AND e.dropped_at IS NULL
ORDER BY l.place
