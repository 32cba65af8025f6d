-- Keys that follow one another, where a key may be used from, and when it last was (K-20).
--
-- A rotated key is a new row of the same line: ledger, budgets and limits know the line by the id of
-- its first key, so that they go on counting. Uses are beside the keys and not in them: a gateway
-- follows every change of a key, and would read each minute all that were used.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

ALTER TABLE kernel.api_keys
    ADD COLUMN first uuid,                   -- the first key of its line; null: this is it
    ADD COLUMN networks cidr[];              -- where it may be used from; null: anywhere
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX api_keys_by_line ON kernel.api_keys (first, id) WHERE first IS NOT NULL;

CREATE TABLE kernel.key_uses (
    key_id uuid PRIMARY KEY REFERENCES kernel.api_keys (id) ON DELETE CASCADE,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    used_at timestamptz NOT NULL
) WITH (fillfactor = 70);

ALTER TABLE kernel.key_uses ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON kernel.key_uses TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON kernel.key_uses TO dd0c_owner USING (true) WITH CHECK (true);
GRANT SELECT ON kernel.key_uses TO dd0c_app;

-- In the order of ids: two gateways that write at once wait for each other and do not lock up.
CREATE FUNCTION kernel.mark_used(keys uuid[], moments timestamptz[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO kernel.key_uses AS known (key_id, org, used_at)
    SELECT k.id, k.org, told.at
    FROM unnest(keys, moments) AS told (key, at) JOIN kernel.api_keys k ON k.id = told.key
    ORDER BY k.id
    ON CONFLICT (key_id) DO UPDATE SET used_at = excluded.used_at
    WHERE known.used_at < excluded.used_at
$$;

-- They return a column more, and are made again in the same transaction.
-- squawk-ignore ban-drop-function
DROP FUNCTION kernel.authenticate_key(bytea);
CREATE FUNCTION kernel.authenticate_key(key_hash bytea)
RETURNS TABLE (
    org uuid, org_name text, key_id uuid, key_name text, roles text[], scopes text[],
    models text[], expires_at timestamptz, revoked_at timestamptz, networks text[]
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.org, o.name, k.id, k.name, k.roles, k.scopes, k.models, k.expires_at, k.revoked_at,
        k.networks::text[]
    FROM kernel.api_keys k JOIN kernel.organisations o ON o.id = k.org
    WHERE k.hash = key_hash
$$;

-- squawk-ignore ban-drop-function
DROP FUNCTION kernel.authenticate_session(bytea);
CREATE FUNCTION kernel.authenticate_session(session_hash bytea)
RETURNS TABLE (
    org uuid, org_name text, key_id uuid, key_name text, roles text[], scopes text[],
    models text[], expires_at timestamptz, revoked_at timestamptz, networks text[],
    session_expires_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.org, o.name, k.id, k.name, k.roles, k.scopes, k.models, k.expires_at, k.revoked_at,
        k.networks::text[], s.expires_at
    FROM kernel.sessions s
    JOIN kernel.api_keys k ON k.id = s.key_id
    JOIN kernel.organisations o ON o.id = k.org
    WHERE s.token_hash = session_hash
$$;

REVOKE ALL ON FUNCTION kernel.mark_used(uuid[], timestamptz[]), kernel.authenticate_key(bytea),
    kernel.authenticate_session(bytea) FROM public;
GRANT EXECUTE ON FUNCTION kernel.mark_used(uuid[], timestamptz[]) TO dd0c_app, dd0c_shipper;
GRANT EXECUTE ON FUNCTION kernel.authenticate_key(bytea), kernel.authenticate_session(bytea)
    TO dd0c_app;
