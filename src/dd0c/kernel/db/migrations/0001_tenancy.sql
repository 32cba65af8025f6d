-- Organisations, their keys and console sessions, and the keys that seal secrets (K-10, K-20, K-30).
--
-- Every table of a tenant forces row-level security, on its owner too. The policy `tenant` reads
-- the setting that kernel/db/tenancy.py makes for one transaction: '' after a rollback, NULL before,
-- and both match nothing. The policy `owner` lets migrations and the functions below see all rows.
-- What each role may do is listed, with reasons, in kernel/db/roles.py and compared at every start.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.organisations (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 100),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX organisations_name ON kernel.organisations (lower(name));

CREATE TABLE kernel.api_keys (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    name text NOT NULL,
    prefix text NOT NULL,                    -- the first characters, to recognise it by
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    roles text[] NOT NULL,
    scopes text[] NOT NULL,
    models text[],                           -- null: all
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid,                         -- the key that made it; null: the installation itself
    expires_at timestamptz,
    revoked_at timestamptz,
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE INDEX api_keys_newest ON kernel.api_keys (org, id);
CREATE INDEX api_keys_changed ON kernel.api_keys (changed_xid);

CREATE TABLE kernel.sessions (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    key_id uuid NOT NULL REFERENCES kernel.api_keys (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE INDEX sessions_by_key ON kernel.sessions (org, key_id);

CREATE TABLE kernel.data_keys (
    id uuid PRIMARY KEY,
    org uuid REFERENCES kernel.organisations (id),  -- null: the installation's own
    wrapped bytea NOT NULL,
    kek text NOT NULL,                       -- which key-encryption key wrapped it
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);

CREATE INDEX data_keys_newest ON kernel.data_keys (org, created_at);

-- A reader that keeps a copy asks for `changed_xid >= xmin of my last snapshot`. An ascending id or
-- a time would miss a row whose transaction began earlier and commits later.
CREATE FUNCTION kernel.mark_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.changed_xid := pg_current_xact_id();
    RETURN NEW;
END
$$;

-- The notification is only a hint to ask now; the argument is its channel.
CREATE FUNCTION kernel.notify() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_notify(TG_ARGV[0], '');
    RETURN NULL;
END
$$;

CREATE TRIGGER mark_changed BEFORE INSERT OR UPDATE ON kernel.api_keys
    FOR EACH ROW EXECUTE FUNCTION kernel.mark_changed();
CREATE TRIGGER notify AFTER INSERT OR UPDATE ON kernel.api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION kernel.notify('dd0c_keys');

ALTER TABLE kernel.organisations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.api_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.data_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON kernel.organisations TO dd0c_app
    USING (id = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.api_keys TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.sessions TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.data_keys TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);

CREATE POLICY owner ON kernel.organisations TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.api_keys TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.sessions TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.data_keys TO dd0c_owner USING (true) WITH CHECK (true);

CREATE POLICY gateway ON kernel.api_keys FOR SELECT TO dd0c_gateway USING (true);
CREATE POLICY gateway ON kernel.data_keys FOR SELECT TO dd0c_gateway USING (true);

GRANT USAGE ON SCHEMA kernel TO dd0c_app, dd0c_gateway, dd0c_shipper, dd0c_jobs;
GRANT SELECT ON kernel.migrations TO dd0c_app, dd0c_gateway, dd0c_shipper, dd0c_jobs;
GRANT SELECT, INSERT ON kernel.organisations TO dd0c_app;
GRANT SELECT, INSERT, UPDATE ON kernel.api_keys TO dd0c_app;
GRANT SELECT, INSERT, DELETE ON kernel.sessions TO dd0c_app;
GRANT SELECT, INSERT, UPDATE ON kernel.data_keys TO dd0c_app;
GRANT SELECT ON kernel.api_keys, kernel.data_keys TO dd0c_gateway;

-- Before a request is authenticated nobody knows its tenant: these four look across tenants.
CREATE FUNCTION kernel.authenticate_key(key_hash bytea)
RETURNS TABLE (
    org uuid, org_name text, key_id uuid, key_name text, roles text[], scopes text[],
    models text[], expires_at timestamptz, revoked_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.org, o.name, k.id, k.name, k.roles, k.scopes, k.models, k.expires_at, k.revoked_at
    FROM kernel.api_keys k JOIN kernel.organisations o ON o.id = k.org
    WHERE k.hash = key_hash
$$;

CREATE FUNCTION kernel.authenticate_session(session_hash bytea)
RETURNS TABLE (
    org uuid, org_name text, key_id uuid, key_name text, roles text[], scopes text[],
    models text[], expires_at timestamptz, revoked_at timestamptz, session_expires_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.org, o.name, k.id, k.name, k.roles, k.scopes, k.models, k.expires_at, k.revoked_at,
        s.expires_at
    FROM kernel.sessions s
    JOIN kernel.api_keys k ON k.id = s.key_id
    JOIN kernel.organisations o ON o.id = k.org
    WHERE s.token_hash = session_hash
$$;

CREATE FUNCTION kernel.find_organisation(wanted text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT id FROM kernel.organisations WHERE lower(name) = lower(wanted) $$;

CREATE FUNCTION kernel.list_organisations()
RETURNS TABLE (id uuid, name text, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT id, name, created_at FROM kernel.organisations ORDER BY id $$;

REVOKE ALL ON FUNCTION kernel.authenticate_key(bytea), kernel.authenticate_session(bytea),
    kernel.find_organisation(text), kernel.list_organisations() FROM public;
GRANT EXECUTE ON FUNCTION kernel.authenticate_key(bytea), kernel.authenticate_session(bytea),
    kernel.find_organisation(text), kernel.list_organisations() TO dd0c_app;
