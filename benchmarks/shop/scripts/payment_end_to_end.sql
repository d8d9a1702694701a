\set user random(1, :users)
\set number random(1, 1000000000000)
SELECT payment_id AS payment FROM payment.process_payment_authorization(
    :user, 'a-' || :number, '01900000-0000-7000-8000-000000000001', (
        SELECT m.id FROM payment.payment_methods AS m
        WHERE m.user_id = :user AND m.removed_at IS NULL LIMIT 1
    ), 5000, 'USD'
) \gset
SELECT state FROM payment.record_provider_result(:user, 'a-' || :number, TRUE, 'ch-' || :number);
SELECT state FROM payment.capture_payment(:user, 'c-' || :number, :payment);
SELECT state FROM payment.record_provider_result(:user, 'c-' || :number, TRUE, 'cp-' || :number);
