-- test: an offer is written at the version seen, and the version goes up
-- as: app
SELECT v
FROM product.set_offer(1, 'USD', 18900, 40, TRUE, 1) AS v
WHERE v <> 2;

-- test: the same offer again is the same answer
-- as: app
SELECT product.set_offer(1, 'USD', 18900, 40, TRUE, 1);
SELECT v FROM product.set_offer(1, 'USD', 18900, 40, TRUE, 1) AS v WHERE v <> 2;

-- test: an offer that was changed meanwhile is not written over
-- as: app
-- raises: SH303
SELECT product.set_offer(1, 'USD', 18900, 40, TRUE, 1);
SELECT product.set_offer(1, 'USD', 17900, 40, TRUE, 1);

-- test: a first offer is not a second one
-- as: app
-- raises: SH303
SELECT product.set_offer(1, 'USD', 17900, 40, TRUE);

-- test: an offer that is not there has no version
-- as: app
-- raises: SH303
INSERT INTO product.products (category_id, sku, name) VALUES (1, 'NEW-1', 'New');
SELECT product.set_offer(id, 'USD', 100, 1, TRUE, 7) FROM product.products WHERE sku = 'NEW-1';

-- test: a product has no offer in a currency that the shop does not take
-- as: app
-- raises: 23503
SELECT product.set_offer(1, 'XXX', 17900, 40, TRUE, 1);

-- test: a negative price is refused
-- as: app
-- raises: SH481
SELECT product.set_offer(1, 'USD', -1, 40, TRUE, 1);

-- test: the app does not write offers past the function
-- as: app
-- raises: 42501
UPDATE product.product_offers SET price = 1;

-- test: few units on sale are low stock, fewest first, whoever set the threshold
-- as: app
SELECT product.set_offer(32, 'USD', 1200, 30, TRUE, 1, 50);
SELECT product.set_offer(8, 'USD', 54900, 0, FALSE, 1);
SELECT array_agg(product_id) FROM product.list_low_stock()
HAVING array_agg(product_id) <> '{29,15,27,7,35,31,2,12,25,32}';

-- test: the exponent of a currency in use does not change
-- raises: SH305
UPDATE product.currencies SET exponent = 3 WHERE code = 'USD';

-- test: the exponent of a currency that no offer has may change
UPDATE product.currencies SET exponent = 3 WHERE code = 'GBP';
SELECT code FROM product.currencies WHERE code = 'GBP' AND exponent <> 3;
