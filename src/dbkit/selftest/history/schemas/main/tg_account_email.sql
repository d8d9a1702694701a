CREATE OR REPLACE FUNCTION main.tg_account_email() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.email := lower(NEW.email);
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER account_email BEFORE INSERT OR UPDATE OF email ON main.account
FOR EACH ROW EXECUTE FUNCTION main.tg_account_email();
