SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- An upstream with its credential. org NULL: every organisation may use it (registered at `dd0c up`
-- from the environment). `secret` is sealed by the vault with `data_key`, bound to this id and org.
CREATE TABLE route.providers (
    id uuid PRIMARY KEY,
    org uuid REFERENCES kernel.organisations (id),
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    dialect text NOT NULL CHECK (dialect IN ('openai', 'anthropic')),
    base_url text NOT NULL,
    secret bytea,
    data_key uuid REFERENCES kernel.data_keys (id),
    price_provider text NOT NULL,
    simulated boolean NOT NULL DEFAULT false,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT providers_secret_has_key CHECK ((secret IS NULL) = (data_key IS NULL)),
    CONSTRAINT providers_name UNIQUE NULLS NOT DISTINCT (org, name, dialect)
);

-- Gateways ask for `changed_xid >= xmin of my last snapshot`, so a late commit is never missed; the
-- notification is only a hint to ask now.
CREATE INDEX providers_changed ON route.providers (changed_xid);

CREATE TRIGGER mark_changed BEFORE INSERT OR UPDATE ON route.providers
FOR EACH ROW EXECUTE FUNCTION kernel.mark_changed();
CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE ON route.providers
FOR EACH STATEMENT EXECUTE FUNCTION kernel.notify('dd0c_providers');

ALTER TABLE route.providers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON route.providers TO dd0c_app
USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY installation ON route.providers FOR SELECT TO dd0c_app USING (org IS NULL);
CREATE POLICY owner ON route.providers TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY gateway ON route.providers FOR SELECT TO dd0c_gateway USING (true);

GRANT SELECT (id, org, name, dialect, base_url, price_provider, simulated, enabled, created_at)
ON route.providers TO dd0c_app;
GRANT SELECT ON route.providers TO dd0c_gateway;
