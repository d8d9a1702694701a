-- test: a product has no second primary image
-- raises: 23505
INSERT INTO product.product_images (product_id, position, is_primary, url)
VALUES (1, 9, TRUE, '/images/second.jpg');

-- test: a product whose images are none of them primary is refused
-- raises: SH301
UPDATE product.product_images SET is_primary = FALSE WHERE product_id = 1;
SET CONSTRAINTS ALL IMMEDIATE;

-- test: the first image of a product has to be primary
-- raises: SH301
DELETE FROM product.product_images WHERE product_id = 1;
INSERT INTO product.product_images (product_id, position, url)
VALUES (1, 1, '/images/only.jpg');
SET CONSTRAINTS ALL IMMEDIATE;

-- test: removing the primary image of several is refused
-- raises: SH301
DELETE FROM product.product_images WHERE product_id = 2 AND is_primary;
SET CONSTRAINTS ALL IMMEDIATE;

-- test: the primary image is exchanged within one transaction
UPDATE product.product_images SET is_primary = FALSE WHERE product_id = 2;
UPDATE product.product_images SET is_primary = TRUE WHERE product_id = 2 AND position = 2;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT 'not the second' WHERE NOT EXISTS (
    SELECT FROM product.product_images WHERE product_id = 2 AND is_primary AND position = 2
);

-- test: an image that moves to another product leaves its product a primary one
-- raises: SH301
UPDATE product.product_images SET product_id = 3, is_primary = FALSE, position = 8
WHERE product_id = 2 AND is_primary;
SET CONSTRAINTS ALL IMMEDIATE;

-- test: a product may lose all its images
DELETE FROM product.product_images WHERE product_id = 2;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT id FROM product.product_images WHERE product_id = 2;

-- test: a product goes with its images
DELETE FROM product.products WHERE id = 1;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT id FROM product.product_images WHERE product_id = 1;

-- test: one statement renumbers the images of a product
UPDATE product.product_images SET position = 3 - position WHERE product_id = 2;
SELECT position FROM product.product_images WHERE product_id = 2 AND is_primary AND position <> 2;

-- test: an address that is neither https nor the shop's own is refused
-- raises: 23514
INSERT INTO product.product_images (product_id, position, url)
VALUES (1, 9, 'javascript:alert(1)');
