-- test: the histogram of every product is what its approved reviews say
SELECT r.*
FROM product.product_listings AS r
WHERE (r.stars_1, r.stars_2, r.stars_3, r.stars_4, r.stars_5) <> (
    SELECT
        count(*) FILTER (WHERE v.rating = 1), count(*) FILTER (WHERE v.rating = 2),
        count(*) FILTER (WHERE v.rating = 3), count(*) FILTER (WHERE v.rating = 4),
        count(*) FILTER (WHERE v.rating = 5)
    FROM product.product_reviews AS v
    WHERE v.product_id = r.product_id AND v.state = 'approved'
);

-- test: a pending review is not counted, approved it is, changed it waits again
CREATE TEMP TABLE steps AS SELECT 0 AS step, product.get_product_details(40) -> 'rating' AS rating;
SELECT product.submit_review(901, 40, 5::smallint, 'Sharp', 'Cuts.', product_id) FROM
(SELECT NULL::uuid AS product_id) AS none;
INSERT INTO steps SELECT 1, product.get_product_details(40) -> 'rating';
SELECT product.approve_review(s.review_id, s.version)
FROM product.submit_review(901, 40, 5::smallint, 'Sharp', 'Cuts.') AS s;
INSERT INTO steps SELECT 2, product.get_product_details(40) -> 'rating';
SELECT product.submit_review(901, 40, 1::smallint, 'Sharp', 'It cut me.');
INSERT INTO steps SELECT 3, product.get_product_details(40) -> 'rating';
SELECT step, rating
FROM steps
WHERE concat_ws(' ', rating ->> 'review_count', rating ->> 'average', rating #>> '{histogram,5}')
<> CASE step WHEN 2 THEN '1 5.00 1' ELSE '0 0.00 0' END;

-- test: the same review again changes nothing
CREATE TEMP TABLE answers AS
SELECT * FROM product.submit_review(902, 40, 4::smallint, 'Good', 'Yes.');
INSERT INTO answers SELECT * FROM product.submit_review(902, 40, 4::smallint, 'Good', 'Yes.');
SELECT count(DISTINCT a.*) FROM answers AS a HAVING count(DISTINCT a.*) <> 1;

-- test: an order makes a purchase verified, and a later text without one does not unmake it
SELECT product.submit_review(
    903, 40, 4::smallint, 'Good', 'Yes.', '019a0000-0000-7000-8000-000000000999'
);
SELECT product.submit_review(903, 40, 4::smallint, 'Good', 'Still yes.');
SELECT id FROM product.product_reviews WHERE user_id = 903 AND NOT is_verified_purchase;

-- test: approving twice is approving once
CREATE TEMP TABLE answers AS
SELECT s.review_id, product.approve_review(s.review_id, s.version) AS version
FROM product.submit_review(904, 40, 4::smallint, 'Good', 'Yes.') AS s;
INSERT INTO answers
SELECT review_id, product.approve_review(review_id, version - 1) FROM answers;
SELECT count(DISTINCT version) FROM answers HAVING count(DISTINCT version) <> 1;

-- test: a text that its moderator has not read is not approved
-- as: app
-- raises: SH306
SELECT product.submit_review(905, 40, 4::smallint, 'Good', 'Yes.');
SELECT product.approve_review(review_id, version - 1)
FROM product.submit_review(905, 40, 4::smallint, 'Good', 'No, buy at example.org.');

-- test: a rejected review is not approved before its author changed it
-- as: app
-- raises: SH302
SELECT product.approve_review(s.review_id, product.reject_review(s.review_id, s.version))
FROM product.submit_review(906, 40, 4::smallint, 'Good', 'Yes.') AS s;

-- test: a review cannot be born approved
-- raises: SH302
INSERT INTO product.product_reviews (product_id, user_id, rating, title, body, state)
VALUES (40, 907, 5, 'Great', 'Great.', 'approved');

-- test: a review that is not there cannot be approved
-- as: app
-- raises: SH304
SELECT product.approve_review(987654, 1);

-- test: six stars are refused
-- as: app
-- raises: SH481
SELECT product.submit_review(908, 40, 6::smallint, 'Great', 'Great.');

-- test: a product that is not there is not reviewed
-- as: app
-- raises: 23503
SELECT product.submit_review(908, 987654, 5::smallint, 'Great', 'Great.');

-- test: a deleted review is counted down
DELETE FROM product.product_reviews WHERE product_id = 1;
SELECT * FROM product.product_listings WHERE product_id = 1 AND review_count <> 0;

-- test: erasing a person takes the reviews and their stars
SELECT ops.erase_personal_data('1');
SELECT r.product_id
FROM product.product_listings AS r
WHERE r.review_count <> (
    SELECT count(*) FROM product.product_reviews AS v
    WHERE v.product_id = r.product_id AND v.state = 'approved'
)
UNION ALL
SELECT product_id FROM product.product_reviews WHERE user_id = 1;

-- test: the app does not read reviews past the functions
-- as: app
-- raises: 42501
SELECT user_id FROM product.product_reviews;

-- test: details hold no author
-- as: app
SELECT id
FROM generate_series(1, 40) AS id
WHERE product.get_product_details(id)::text LIKE '%user_id%';
