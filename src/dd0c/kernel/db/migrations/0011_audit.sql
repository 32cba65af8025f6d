-- The audit log: events that wait, entries that were chained, and what they must not tell (K-50, K-51).
--
-- Who changes something adds a row to the outbox in the same transaction, and can do no more: neither
-- read it again nor take it back, nor say when it was. One chainer moves the rows to `audit_entries`, gives them their
-- sequence and hashes, and signs the head of each log. Nobody who serves may update or delete an entry.
--
-- A log is an organisation's, or the installation's own (`org` null), which no tenant's transaction
-- sees. `bytes` is what is hashed; the plain columns beside it are for finding and prove nothing.
-- What people typed, and who they are, lies sealed in `audit_contents`: an entry has only its
-- commitment, so that it can be forgotten while every hash still holds (decision 23).

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.audit_outbox (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    org uuid REFERENCES kernel.organisations (id),  -- null: of the installation
    at timestamptz NOT NULL DEFAULT now(),
    name text NOT NULL CHECK (name ~ '^[A-Z][A-Za-z]{2,49}$'),
    actor text NOT NULL,
    subject text NOT NULL,
    facts text NOT NULL CHECK (json_typeof(facts::json) = 'object'),  -- canonical: it is hashed so
    commitment bytea CHECK (length(commitment) = 32)
);

CREATE TABLE kernel.audit_contents (
    id uuid PRIMARY KEY,                     -- the event's
    org uuid REFERENCES kernel.organisations (id),
    person uuid REFERENCES kernel.people (id),      -- whose it is, if anybody's: goes with them
    secret bytea NOT NULL,
    data_key uuid NOT NULL REFERENCES kernel.data_keys (id)
);

CREATE INDEX audit_contents_data_key ON kernel.audit_contents (data_key);
CREATE INDEX audit_contents_org ON kernel.audit_contents (org);
CREATE INDEX audit_contents_person ON kernel.audit_contents (person) WHERE person IS NOT NULL;

CREATE TABLE kernel.audit_entries (
    log text NOT NULL,                       -- org_…, or `installation`
    sequence bigint NOT NULL CHECK (sequence > 0),
    id uuid NOT NULL,
    org uuid,
    at timestamptz NOT NULL,
    name text NOT NULL,
    actor text NOT NULL,
    subject text NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (log, sequence),
    CHECK ((org IS NULL) = (log = 'installation'))
);

CREATE INDEX audit_entries_id ON kernel.audit_entries (log, id);
CREATE INDEX audit_entries_at ON kernel.audit_entries (log, at);
CREATE INDEX audit_entries_name ON kernel.audit_entries (log, name, sequence);
CREATE INDEX audit_entries_actor ON kernel.audit_entries (log, actor, sequence);
CREATE INDEX audit_entries_subject ON kernel.audit_entries (log, subject, sequence);

-- Full tiles of the Merkle tree only: 256 hashes, and the root over them. What is not full yet is
-- worked out of entries, or of the tiles below.
CREATE TABLE kernel.audit_tiles (
    log text NOT NULL,
    level smallint NOT NULL,
    position bigint NOT NULL,
    org uuid,
    hashes bytea NOT NULL CHECK (length(hashes) = 8192),
    root bytea NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (log, level, position)
);

CREATE TABLE kernel.audit_heads (
    log text PRIMARY KEY,
    org uuid UNIQUE REFERENCES kernel.organisations (id),
    size bigint NOT NULL,
    root bytea NOT NULL CHECK (length(root) = 32),
    last_hash bytea NOT NULL CHECK (length(last_hash) = 32),
    frontier bytea NOT NULL,                 -- the roots of the full subtrees, largest first
    note text NOT NULL,                      -- the signed checkpoint
    signed_at timestamptz NOT NULL,
    noted_size bigint NOT NULL DEFAULT 0,    -- what the installation's log has of it
    noted_at timestamptz NOT NULL DEFAULT 'epoch'
);

ALTER TABLE kernel.audit_outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.audit_contents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.audit_entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.audit_tiles ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.audit_heads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner ON kernel.audit_outbox TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.audit_contents TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.audit_entries TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.audit_tiles TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.audit_heads TO dd0c_owner USING (true) WITH CHECK (true);

CREATE POLICY emits ON kernel.audit_outbox FOR INSERT TO dd0c_app
    WITH CHECK (org IS NULL OR org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY emits_of_all ON kernel.audit_outbox FOR INSERT TO dd0c_jobs, dd0c_shipper
    WITH CHECK (true);
CREATE POLICY chainer ON kernel.audit_outbox TO dd0c_chainer USING (true);

CREATE POLICY tenant ON kernel.audit_contents TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.audit_entries FOR SELECT TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.audit_tiles FOR SELECT TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.audit_heads FOR SELECT TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);

CREATE POLICY installation ON kernel.audit_entries FOR SELECT TO dd0c_app
    USING (org IS NULL AND nullif(current_setting('dd0c.org', true), '') IS NULL);
CREATE POLICY installation ON kernel.audit_tiles FOR SELECT TO dd0c_app
    USING (org IS NULL AND nullif(current_setting('dd0c.org', true), '') IS NULL);
CREATE POLICY installation ON kernel.audit_heads FOR SELECT TO dd0c_app
    USING (org IS NULL AND nullif(current_setting('dd0c.org', true), '') IS NULL);
CREATE POLICY installation ON kernel.audit_contents FOR SELECT TO dd0c_app
    USING (org IS NULL AND nullif(current_setting('dd0c.org', true), '') IS NULL);
CREATE POLICY seals ON kernel.audit_contents FOR INSERT TO dd0c_app WITH CHECK (org IS NULL);
CREATE POLICY installation ON kernel.data_keys TO dd0c_app
    USING (org IS NULL AND nullif(current_setting('dd0c.org', true), '') IS NULL);

CREATE POLICY chainer ON kernel.audit_entries TO dd0c_chainer USING (true);
CREATE POLICY chainer ON kernel.audit_tiles TO dd0c_chainer USING (true);
CREATE POLICY chainer ON kernel.audit_heads TO dd0c_chainer USING (true);

GRANT USAGE ON SCHEMA kernel TO dd0c_chainer;
GRANT SELECT ON kernel.migrations, kernel.installation, kernel.access TO dd0c_chainer;
GRANT INSERT (id, org, name, actor, subject, facts, commitment) ON kernel.audit_outbox
TO dd0c_app, dd0c_jobs, dd0c_shipper, dd0c_chainer;
GRANT SELECT, INSERT ON kernel.audit_contents TO dd0c_app;
GRANT SELECT ON kernel.audit_entries, kernel.audit_tiles, kernel.audit_heads TO dd0c_app;
GRANT SELECT, DELETE ON kernel.audit_outbox TO dd0c_chainer;
GRANT SELECT, INSERT ON kernel.audit_entries, kernel.audit_tiles TO dd0c_chainer;
GRANT SELECT, INSERT, UPDATE ON kernel.audit_heads TO dd0c_chainer;

-- As in 0009, and what entries tell of these people goes with them.
CREATE OR REPLACE FUNCTION kernel.blank_people(whose uuid[], at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM kernel.sessions WHERE person = ANY (whose);
    DELETE FROM kernel.invitations
    WHERE email IN (SELECT email FROM kernel.people WHERE id = ANY (whose));
    UPDATE kernel.invitations SET revoked_at = at
    WHERE created_by = ANY (whose) AND used_at IS NULL AND revoked_at IS NULL;
    UPDATE kernel.memberships SET team = NULL, removed_at = coalesce(removed_at, at)
    WHERE person = ANY (whose);
    DELETE FROM kernel.audit_contents WHERE person = ANY (whose);
    UPDATE kernel.people
    SET email = 'erased ' || id, name = 'erased person', password = NULL, issuer = NULL,
        subject = NULL, platform = false, disabled_at = coalesce(disabled_at, at), erased_at = at
    WHERE id = ANY (whose) AND erased_at IS NULL;
$$;

-- As in 0009, but the audit log stays: that something was done is what it is there to prove, and what
-- might have to be forgotten is not in it. `audit_contents` goes.
CREATE OR REPLACE FUNCTION kernel.erase_rows(erased uuid, rows_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept CONSTANT oid[] := ARRAY[
        'kernel.audit_outbox'::regclass, 'kernel.audit_entries'::regclass,
        'kernel.audit_tiles'::regclass, 'kernel.audit_heads'::regclass
    ];
    target regclass;
    deleted bigint;
    gone bigint := 0;
    waiting text;
BEGIN
    PERFORM FROM kernel.organisations WHERE id = erased AND erased_at IS NOT NULL;
    IF NOT found THEN
        RAISE EXCEPTION 'the organisation % is not erased', erased;
    END IF;
    FOR target IN
        SELECT c.oid FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org' AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relrowsecurity
            AND a.atttypid = 'uuid'::regtype AND c.oid <> ALL (kept)
        ORDER BY c.oid DESC  -- those that refer come after those that they refer to
    LOOP
        BEGIN
            EXECUTE format(
                'DELETE FROM %1$s WHERE org = $1'
                ' AND ctid = ANY (ARRAY(SELECT ctid FROM %1$s WHERE org = $1 LIMIT $2))', target
            ) USING erased, rows_max;
            GET DIAGNOSTICS deleted = ROW_COUNT;
            gone := gone + deleted;
        EXCEPTION WHEN foreign_key_violation THEN
            waiting := sqlerrm;
        END;
    END LOOP;
    IF gone = 0 AND waiting IS NOT NULL THEN
        RAISE EXCEPTION 'the organisation % cannot be emptied: %', erased, waiting;
    END IF;
    RETURN gone;
END
$$;
