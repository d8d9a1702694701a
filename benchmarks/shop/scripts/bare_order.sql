\set user random(1, 1000000000)
BEGIN;
INSERT INTO public.orders (user_id, currency, item_count, subtotal, discount, tax, total, recipient_name, shipping_address, shipping_country, contact_email, expires_at)
VALUES (:user, 'USD', 3, 7550, 0, 1345, 8895, 'Ada', '{"line_1": "1 Road", "city": "York"}', 'GB', 'ada@example.com', now() + interval '30 minutes')
RETURNING id \gset
INSERT INTO public.order_items (order_id, line_number, product_id, product_name, quantity, unit_price, tax_rate) VALUES (:id, 1, 1, 'Lamp', 1, 5000, 0.19);
INSERT INTO public.order_items (order_id, line_number, product_id, product_name, quantity, unit_price, tax_rate) VALUES (:id, 2, 2, 'Mug', 2, 900, 0.19);
INSERT INTO public.order_items (order_id, line_number, product_id, product_name, quantity, unit_price, tax_rate) VALUES (:id, 3, 3, 'Pen', 3, 250, 0.07);
INSERT INTO public.order_status_history (order_id, order_version, from_state, to_state, reason, actor) VALUES (:id, 1, 'new', 'pending', 'order_placed', 'customer');
INSERT INTO public.events (aggregatetype, aggregateid, type, payload) VALUES ('order', :id::text, 'order.created', '{"total": 8895, "currency": "USD"}');
COMMIT;
