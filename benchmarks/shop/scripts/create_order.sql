\set user random(1, 1000000000)
\set key random(1, 1000000000)
SELECT o.outcome
FROM orders.create_order(
    :user, :key::text, 'USD',
    '[{"product_id": 1, "product_name": "Lamp", "quantity": 1, "unit_price": 5000, "tax_rate": 0.19},
      {"product_id": 2, "product_name": "Mug", "quantity": 2, "unit_price": 900, "tax_rate": 0.19},
      {"product_id": 3, "product_name": "Pen", "quantity": 3, "unit_price": 250, "tax_rate": 0.07}]',
    'Ada', '{"line_1": "1 Road", "city": "York"}', 'GB', 'ada@example.com'
) AS o
