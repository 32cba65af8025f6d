-- Teams, and the clock that an organisation lives by (K-10, R-16).
--
-- A key may belong to a team of its own organisation: the foreign key holds both columns, so it can be
-- no other's. A removed team keeps its row, because what it cost is to keep its name.
-- Days and months of budgets begin by the organisation's clock, which gateways have to know: a change
-- of it is followed like a change of a key (decision 3).

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.teams (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    name text NOT NULL CHECK (name <> '' AND length(name) <= 64),
    created_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz,
    UNIQUE (org, id)
);

CREATE UNIQUE INDEX teams_name ON kernel.teams (org, lower(name)) WHERE removed_at IS NULL;

ALTER TABLE kernel.teams ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON kernel.teams TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON kernel.teams TO dd0c_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON kernel.teams TO dd0c_app;

ALTER TABLE kernel.api_keys ADD COLUMN team uuid;
ALTER TABLE kernel.api_keys ADD CONSTRAINT api_keys_team
    FOREIGN KEY (org, team) REFERENCES kernel.teams (org, id) NOT VALID;
-- Every value is null: there is nothing to scan for that would take long.
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE kernel.api_keys VALIDATE CONSTRAINT api_keys_team;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX api_keys_by_team ON kernel.api_keys (org, team) WHERE team IS NOT NULL;

ALTER TABLE kernel.organisations
    ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC',
    ADD COLUMN changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX organisations_changed ON kernel.organisations (changed_xid);

CREATE TRIGGER mark_changed BEFORE INSERT OR UPDATE ON kernel.organisations
    FOR EACH ROW EXECUTE FUNCTION kernel.mark_changed();
CREATE TRIGGER notify AFTER UPDATE ON kernel.organisations
    FOR EACH STATEMENT EXECUTE FUNCTION kernel.notify('dd0c_rules');

CREATE POLICY gateway ON kernel.organisations FOR SELECT TO dd0c_gateway USING (true);
GRANT SELECT (id, time_zone, changed_xid) ON kernel.organisations TO dd0c_gateway;
GRANT UPDATE (time_zone) ON kernel.organisations TO dd0c_app;

-- It returns a column more, and is made again in the same transaction.
-- squawk-ignore ban-drop-function
DROP FUNCTION kernel.list_organisations();
CREATE FUNCTION kernel.list_organisations()
RETURNS TABLE (id uuid, name text, created_at timestamptz, time_zone text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT id, name, created_at, time_zone FROM kernel.organisations ORDER BY id $$;
REVOKE ALL ON FUNCTION kernel.list_organisations() FROM public;
GRANT EXECUTE ON FUNCTION kernel.list_organisations() TO dd0c_app;
