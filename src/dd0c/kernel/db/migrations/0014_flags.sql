-- What administrators say of flags (K-62).
--
-- A flag without a row is as flags.toml introduces it. Flags are the installation's: no tenant sees
-- them. What is said for one organisation is a row of its own, which goes when that is erased.
-- Whoever changes anything raises the revision in the same transaction, and so waits for whoever is
-- at it: of two documents the one with the higher revision is the later one.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.flags (
    name text PRIMARY KEY CHECK (name <> '' AND length(name) <= 64),
    serial bigint NOT NULL,                  -- the revision that set it: what was seen before is over
    percent integer NOT NULL CHECK (percent BETWEEN 0 AND 100),
    changed_at timestamptz NOT NULL,
    tripped_at timestamptz,                  -- it turned itself off
    tripped_why text
);

CREATE TABLE kernel.flag_overrides (
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    flag text NOT NULL CHECK (flag <> '' AND length(flag) <= 64),
    is_on boolean NOT NULL,
    PRIMARY KEY (org, flag)
);

CREATE TABLE kernel.flag_revision (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    revision bigint NOT NULL
);
INSERT INTO kernel.flag_revision (revision) VALUES (0);

ALTER TABLE kernel.flag_overrides ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON kernel.flag_overrides TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON kernel.flag_overrides TO dd0c_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON kernel.flags TO dd0c_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON kernel.flag_overrides TO dd0c_app;
GRANT SELECT, INSERT, UPDATE ON kernel.flags TO dd0c_jobs;
GRANT SELECT ON kernel.flag_revision TO dd0c_app, dd0c_jobs;
GRANT UPDATE (revision) ON kernel.flag_revision TO dd0c_app, dd0c_jobs;

CREATE FUNCTION kernel.list_flag_overrides()
RETURNS TABLE (flag text, org uuid, is_on boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT flag, org, is_on FROM kernel.flag_overrides $$;
REVOKE ALL ON FUNCTION kernel.list_flag_overrides() FROM public;
GRANT EXECUTE ON FUNCTION kernel.list_flag_overrides() TO dd0c_app, dd0c_jobs;
