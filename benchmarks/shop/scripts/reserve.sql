-- One unit of one of the products 1 to :products, for a user of a large shop; one round trip of :trip microseconds.
\set user random(1, 1000000000)
\set product random(1, :products)
\sleep :trip us
SELECT is_reserved
FROM inventory.reserve_inventory(
    ops.new_id(), :user,
    jsonb_build_array(jsonb_build_object('product_id', CAST(:product AS bigint), 'quantity', 1))
);
