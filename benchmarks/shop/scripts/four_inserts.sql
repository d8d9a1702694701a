\set user random(1, :users)
INSERT INTO bare_steps (user_id, body) VALUES (:user, 'authorize');
INSERT INTO bare_steps (user_id, body) VALUES (:user, 'authorized');
INSERT INTO bare_steps (user_id, body) VALUES (:user, 'capture');
INSERT INTO bare_steps (user_id, body) VALUES (:user, 'captured');
