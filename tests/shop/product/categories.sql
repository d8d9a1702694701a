-- test: a new category's path is its parent's and its own id
INSERT INTO product.categories (id, parent_id, path, slug, name)
OVERRIDING SYSTEM VALUE VALUES (1001, 3, '{}', 'open-headphones', 'Open headphones');
SELECT path FROM product.categories WHERE id = 1001 AND path <> '{1,2,3,1001}';

-- test: a path that a statement writes is put right
UPDATE product.categories SET path = '{7,3}' WHERE id = 3;
SELECT path FROM product.categories WHERE id = 3 AND path <> '{1,2,3}';

-- test: a child may come before its parent in one statement
INSERT INTO product.categories (id, parent_id, path, slug, name)
OVERRIDING SYSTEM VALUE VALUES
(1002, 1001, '{}', 'child', 'Child'), (1001, 11, '{}', 'parent', 'Parent');
SELECT path FROM product.categories WHERE id = 1002 AND path <> '{11,1001,1002}';

-- test: moving a category moves the paths of all below it
UPDATE product.categories SET parent_id = 7 WHERE id = 2;
SELECT id, path
FROM product.categories
WHERE (id, path) NOT IN (
    (1, '{1}'), (5, '{1,5}'), (6, '{1,5,6}'), (7, '{7}'), (8, '{7,8}'), (9, '{7,8,9}'),
    (10, '{7,10}'), (11, '{11}'), (12, '{11,12}'),
    (2, '{7,2}'), (3, '{7,2,3}'), (4, '{7,2,4}')
);

-- test: a category cannot move below its grandchild
-- raises: SH300
UPDATE product.categories SET parent_id = 3 WHERE id = 1;

-- test: a category cannot be its own parent
-- raises: SH300
UPDATE product.categories SET parent_id = 5 WHERE id = 5;

-- test: a new category cannot be its own parent
-- raises: SH300
INSERT INTO product.categories (id, parent_id, path, slug, name)
OVERRIDING SYSTEM VALUE VALUES (1001, 1001, '{}', 'self', 'Self');

-- test: a subtree is the category and all below it, in the order of the tree
SELECT product.subtree_category_ids(1)
WHERE product.subtree_category_ids(1) <> '{1,2,3,4,5,6}';

-- test: an unknown category has an empty subtree
SELECT product.subtree_category_ids(999) WHERE product.subtree_category_ids(999) <> '{}';

-- test: two categories of one parent have different names, roots too
-- raises: 23505
INSERT INTO product.categories (parent_id, path, slug, name)
VALUES (NULL, '{}', 'home-2', 'Home');

-- test: the app files a product in a category it made
-- as: app
WITH made AS (
    INSERT INTO product.categories (path, slug, name) VALUES ('{}', 'games', 'Games') RETURNING id
)
INSERT INTO product.products (category_id, sku, name)
SELECT id, 'GAME-1', 'A game' FROM made;
SELECT 'no ratings row' WHERE NOT EXISTS (
    SELECT FROM product.products AS p
    INNER JOIN product.product_listings AS r ON p.id = r.product_id
    WHERE p.sku = 'GAME-1' AND r.review_count = 0
);
