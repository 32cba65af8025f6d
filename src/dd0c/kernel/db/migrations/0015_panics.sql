-- The brake, and how far products act by themselves (K-63).
--
-- A panic is a row for each organisation that ever was in one, and one without an organisation for
-- everywhere. A panic that is over keeps its row: only a row that says so ends one for those who
-- listen, a row that is missing says nothing. Who listens reads all of them through one function, which
-- tells nobody's reasons. Every tenant sees the row of everywhere, none of them writes it.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.autonomy (
    org uuid PRIMARY KEY REFERENCES kernel.organisations (id),
    mode text NOT NULL CHECK (mode IN ('audit', 'strict'))
);
CREATE TABLE kernel.panics (
    org uuid REFERENCES kernel.organisations (id),  -- null: everywhere
    panic text CHECK (panic IN ('passthrough', 'halt')),  -- null: it is over
    epoch bigint NOT NULL,  -- how many there were: what was approved in an older one stays dead
    reason text NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (org)
);

ALTER TABLE kernel.autonomy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.panics ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON kernel.autonomy TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.panics TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY everywhere ON kernel.panics TO dd0c_app USING (org IS NULL)
    WITH CHECK (org IS NULL AND nullif(current_setting('dd0c.org', true), '') IS NULL);
CREATE POLICY owner ON kernel.autonomy TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.panics TO dd0c_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON kernel.autonomy, kernel.panics TO dd0c_app;

CREATE TRIGGER notify AFTER INSERT OR UPDATE ON kernel.panics
    FOR EACH STATEMENT EXECUTE FUNCTION kernel.notify('dd0c_panics');

CREATE FUNCTION kernel.list_panics() RETURNS TABLE (org uuid, panic text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT org, panic FROM kernel.panics $$;
REVOKE ALL ON FUNCTION kernel.list_panics() FROM public;
GRANT EXECUTE ON FUNCTION kernel.list_panics() TO dd0c_app, dd0c_gateway;
