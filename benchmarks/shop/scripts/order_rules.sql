\set user random(1, 1000)
SELECT count(*)
FROM orders.validate_order_business_rules(
    :user, 'USD',
    '[{"product_id": 1, "product_name": "Lamp", "quantity": 1, "unit_price": 5000, "tax_rate": 0.19},
      {"product_id": 2, "product_name": "Mug", "quantity": 2, "unit_price": 900, "tax_rate": 0.19},
      {"product_id": 3, "product_name": "Pen", "quantity": 3, "unit_price": 250, "tax_rate": 0.07}]'
)
