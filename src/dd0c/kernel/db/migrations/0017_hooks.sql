-- Webhooks: sources that send to us, endpoints that we send to, and what came and went (K-70, K-71).
--
-- Up to two secrets live at a time, in a table of their own: a rotation of the vault's keys goes
-- through one table for both kinds of holder, and goes with the data keys of an organisation.
-- The job worker sends. It learns from a listed function which organisations have anything to send and
-- then works in a tenant's transaction, as the control server does: it never sees two at a time.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.hook_sources (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    name text NOT NULL CHECK (name <> '' AND length(name) <= 64),
    kind text NOT NULL CHECK (kind IN ('standard', 'slack', 'github', 'hmac', 'bearer', 'url')),
    created_at timestamptz NOT NULL,
    UNIQUE (org, id)
);
CREATE UNIQUE INDEX hook_sources_name ON kernel.hook_sources (org, lower(name));

-- What arrived and was vouched for, once: a nonce that is here already is a message that is. Its body
-- is content: sealed, and kept as long as its organisation says, or not at all (K-85). That pointer is
-- checked at the end of the transaction: whether a message is new is known by its row.
CREATE TABLE kernel.hook_events (
    id uuid PRIMARY KEY,
    org uuid NOT NULL,
    source uuid NOT NULL,
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 3),
    nonce text CHECK (length(nonce) <= 256),
    content_type text NOT NULL CHECK (length(content_type) <= 256),
    size integer NOT NULL,
    content uuid REFERENCES kernel.contents (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
    received_at timestamptz NOT NULL,
    UNIQUE (source, nonce),
    FOREIGN KEY (org, source) REFERENCES kernel.hook_sources (org, id) ON DELETE CASCADE
);
CREATE INDEX hook_events_received ON kernel.hook_events (received_at);
CREATE INDEX hook_events_source ON kernel.hook_events (org, source, id);
CREATE INDEX hook_events_content ON kernel.hook_events (content);

-- `cursor` is the sequence in the log up to which deliveries were made. `target` is an address; that
-- of a Slack endpoint is its secret, and only its host stands here.
CREATE TABLE kernel.hook_endpoints (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    name text NOT NULL CHECK (name <> '' AND length(name) <= 64),
    kind text NOT NULL CHECK (kind IN ('webhook', 'slack', 'email')),
    target text NOT NULL CHECK (length(target) <= 2048),
    log text NOT NULL,                       -- the organisation's, or `installation`
    events text[] NOT NULL CHECK (cardinality(events) <= 100),  -- none: all
    cursor bigint NOT NULL CHECK (cursor >= 0),
    created_at timestamptz NOT NULL,
    paused_at timestamptz,
    paused_why text CHECK (paused_why IN ('asked', 'gone')),
    UNIQUE (org, id),
    CHECK ((paused_at IS NULL) = (paused_why IS NULL))
);
CREATE UNIQUE INDEX hook_endpoints_name ON kernel.hook_endpoints (org, lower(name));

CREATE TABLE kernel.hook_secrets (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    holder uuid NOT NULL,                    -- a source or an endpoint
    secret bytea NOT NULL,
    data_key uuid NOT NULL REFERENCES kernel.data_keys (id),
    expires_at timestamptz                   -- of one that another took the place of
);
CREATE INDEX hook_secrets_holder ON kernel.hook_secrets (org, holder);
CREATE INDEX hook_secrets_data_key ON kernel.hook_secrets (data_key);

-- `message` is the id that the receiver is told, the same at every attempt. `tries` are counted before
-- they are made, so that one which takes its worker along counts too.
CREATE TABLE kernel.hook_deliveries (
    id uuid PRIMARY KEY,
    org uuid NOT NULL,
    endpoint uuid NOT NULL,
    message text NOT NULL,
    event text NOT NULL,
    payload text NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
    tries smallint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    UNIQUE (endpoint, message),
    UNIQUE (org, id),
    FOREIGN KEY (org, endpoint) REFERENCES kernel.hook_endpoints (org, id) ON DELETE CASCADE
);
CREATE INDEX hook_deliveries_due ON kernel.hook_deliveries (org, due_at) WHERE state = 'waiting';
CREATE INDEX hook_deliveries_endpoint ON kernel.hook_deliveries (org, endpoint, id);
CREATE INDEX hook_deliveries_created ON kernel.hook_deliveries (created_at);

-- One row a try, made before it: without an outcome its worker died, and nobody knows.
CREATE TABLE kernel.hook_attempts (
    id uuid PRIMARY KEY,
    org uuid NOT NULL,
    delivery uuid NOT NULL,
    begun_at timestamptz NOT NULL,
    took_ms integer,
    status smallint,
    said text CHECK (length(said) <= 1000),  -- what was answered, or what went wrong
    FOREIGN KEY (org, delivery) REFERENCES kernel.hook_deliveries (org, id) ON DELETE CASCADE
);
CREATE INDEX hook_attempts_delivery ON kernel.hook_attempts (org, delivery, id);

ALTER TABLE kernel.hook_sources ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.hook_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.hook_endpoints ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.hook_secrets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.hook_deliveries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.hook_attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner ON kernel.hook_sources TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.hook_events TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.hook_endpoints TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.hook_secrets TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.hook_deliveries TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.hook_attempts TO dd0c_owner USING (true) WITH CHECK (true);

CREATE POLICY tenant ON kernel.hook_sources TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.hook_events TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.hook_endpoints TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.hook_secrets TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.hook_deliveries TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.hook_attempts TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);

CREATE POLICY sends ON kernel.hook_endpoints TO dd0c_jobs
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY sends ON kernel.hook_secrets TO dd0c_jobs
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY sends ON kernel.hook_deliveries TO dd0c_jobs
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY sends ON kernel.hook_attempts TO dd0c_jobs
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY sends ON kernel.data_keys TO dd0c_jobs
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY sends ON kernel.audit_entries TO dd0c_jobs
    USING (org IS NOT DISTINCT FROM nullif(current_setting('dd0c.org', true), '')::uuid);

GRANT SELECT, INSERT, DELETE ON kernel.hook_sources TO dd0c_app;
GRANT SELECT, INSERT ON kernel.hook_events TO dd0c_app;
GRANT SELECT, INSERT, DELETE ON kernel.hook_endpoints TO dd0c_app;
GRANT UPDATE (paused_at, paused_why) ON kernel.hook_endpoints TO dd0c_app;
GRANT SELECT, INSERT, DELETE ON kernel.hook_secrets TO dd0c_app;
GRANT UPDATE (expires_at) ON kernel.hook_secrets TO dd0c_app;
GRANT SELECT, INSERT ON kernel.hook_deliveries TO dd0c_app;
GRANT UPDATE (state, tries, due_at) ON kernel.hook_deliveries TO dd0c_app;
GRANT SELECT ON kernel.hook_attempts TO dd0c_app;

GRANT SELECT ON kernel.hook_endpoints, kernel.hook_secrets, kernel.hook_deliveries,
    kernel.hook_attempts, kernel.data_keys, kernel.audit_entries TO dd0c_jobs;
GRANT UPDATE (cursor, paused_at, paused_why) ON kernel.hook_endpoints TO dd0c_jobs;
GRANT INSERT ON kernel.hook_deliveries, kernel.hook_attempts TO dd0c_jobs;
GRANT UPDATE (state, tries, due_at) ON kernel.hook_deliveries TO dd0c_jobs;
GRANT UPDATE (took_ms, status, said) ON kernel.hook_attempts TO dd0c_jobs;

-- Whose a source is: who sends to it is no tenant yet.
CREATE FUNCTION kernel.find_hook_source(wanted uuid) RETURNS TABLE (org uuid, kind text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.org, s.kind FROM kernel.hook_sources s JOIN kernel.organisations o ON o.id = s.org
    WHERE s.id = wanted AND o.erased_at IS NULL
$$;

-- Organisations that have something to send: entries that no delivery was made of, or deliveries.
CREATE FUNCTION kernel.list_due_hooks(at timestamptz) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT DISTINCT e.org
    FROM kernel.hook_endpoints e
        JOIN kernel.organisations o ON o.id = e.org AND o.erased_at IS NULL
        LEFT JOIN kernel.audit_heads h ON h.log = e.log
    WHERE e.paused_at IS NULL AND (
        h.size > e.cursor
        OR EXISTS (
            SELECT FROM kernel.hook_deliveries d
            WHERE d.org = e.org AND d.endpoint = e.id AND d.state = 'waiting' AND d.due_at <= at
        )
    )
$$;

-- Deletes up to `rows_max` of each: what arrived, and what is delivered or given up, 30 days ago; and
-- secrets that no longer count. Says how many.
CREATE FUNCTION kernel.delete_old_hooks(at timestamptz, rows_max integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH events AS (
        DELETE FROM kernel.hook_events WHERE id IN (
            SELECT id FROM kernel.hook_events
            WHERE received_at <= at - interval '30 days' LIMIT rows_max
        ) RETURNING 1
    ), deliveries AS (
        DELETE FROM kernel.hook_deliveries WHERE id IN (
            SELECT id FROM kernel.hook_deliveries
            WHERE created_at <= at - interval '30 days' AND state <> 'waiting' LIMIT rows_max
        ) RETURNING 1
    ), secrets AS (
        DELETE FROM kernel.hook_secrets WHERE id IN (
            SELECT id FROM kernel.hook_secrets WHERE expires_at <= at LIMIT rows_max
        ) RETURNING 1
    )
    SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM deliveries)
        + (SELECT count(*) FROM secrets)
$$;

REVOKE ALL ON FUNCTION kernel.find_hook_source(uuid), kernel.list_due_hooks(timestamptz),
    kernel.delete_old_hooks(timestamptz, integer) FROM public;
GRANT EXECUTE ON FUNCTION kernel.find_hook_source(uuid) TO dd0c_app;
GRANT EXECUTE ON FUNCTION kernel.list_due_hooks(timestamptz),
    kernel.delete_old_hooks(timestamptz, integer) TO dd0c_jobs;
