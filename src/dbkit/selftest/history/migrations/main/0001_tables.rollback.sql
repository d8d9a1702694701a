DROP TABLE main.account;
DROP TABLE main.ran;
DROP FUNCTION main.slowly(integer);
