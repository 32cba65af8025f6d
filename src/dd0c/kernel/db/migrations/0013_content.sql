-- The content store: what is kept, for how long, and the bytes of what lies in the database (K-85).
--
-- A row of `contents` is what makes bytes content: without it they are an orphan that a sweep takes
-- away. Each content has a key of its own, sealed here, so that to delete the row is to destroy it,
-- wherever the bytes lie. Whoever points to one does so by a reference to `contents`.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.contents (
    id uuid PRIMARY KEY,                     -- its time is when its bytes began to be written
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    kind text NOT NULL,
    place text NOT NULL,                     -- database, files, s3://bucket/prefix
    media_type text NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),  -- of the content, not of its ciphertext
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    secret bytea NOT NULL,                   -- the key of its chunks
    data_key uuid NOT NULL REFERENCES kernel.data_keys (id)
);
CREATE INDEX contents_data_key ON kernel.contents (data_key);
CREATE INDEX contents_org ON kernel.contents (org, id);
CREATE INDEX contents_expires ON kernel.contents (expires_at);

CREATE TABLE kernel.content_chunks (
    blob uuid NOT NULL,                      -- of a content, whose row comes after it
    number integer NOT NULL,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    sealed bytea NOT NULL,
    PRIMARY KEY (blob, number)
);
ALTER TABLE kernel.content_chunks ALTER COLUMN sealed SET STORAGE EXTERNAL;  -- does not compress
CREATE INDEX content_chunks_org ON kernel.content_chunks (org);

CREATE TABLE kernel.content_policies (
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    kind text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('whole', 'capture', 'never')),
    days integer NOT NULL CHECK (days BETWEEN 1 AND 36500),
    PRIMARY KEY (org, kind)
);

ALTER TABLE kernel.contents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.content_chunks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.content_policies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner ON kernel.contents TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.content_chunks TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.content_policies TO dd0c_owner USING (true) WITH CHECK (true);

CREATE POLICY tenant ON kernel.contents TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.content_chunks TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.content_policies TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);

GRANT SELECT, INSERT, DELETE ON kernel.contents, kernel.content_chunks TO dd0c_app;
GRANT UPDATE (expires_at) ON kernel.contents TO dd0c_app;
GRANT SELECT, INSERT, UPDATE ON kernel.content_policies TO dd0c_app;

-- Takes up to `rows_max` contents away whose time is over, and says which: those that lie elsewhere
-- are then deleted there.
CREATE FUNCTION kernel.delete_expired_contents(at timestamptz, rows_max integer)
RETURNS TABLE (id uuid, org uuid, place text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH gone AS (
        DELETE FROM kernel.contents c WHERE c.id IN (
            SELECT e.id FROM kernel.contents e WHERE e.expires_at <= at
            ORDER BY e.expires_at LIMIT rows_max FOR UPDATE SKIP LOCKED
        ) RETURNING c.id, c.org, c.place
    ), chunks AS (
        DELETE FROM kernel.content_chunks b USING gone WHERE b.blob = gone.id
    )
    SELECT gone.id, gone.org, gone.place FROM gone
$$;

-- Deletes up to `rows_max` chunks of no content that were begun before this id; how many.
CREATE FUNCTION kernel.sweep_content_chunks(begun_before uuid, rows_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    deleted bigint;
BEGIN
    DELETE FROM kernel.content_chunks b WHERE (b.blob, b.number) IN (
        SELECT o.blob, o.number FROM kernel.content_chunks o
        WHERE o.blob < begun_before
            AND NOT EXISTS (SELECT FROM kernel.contents c WHERE c.id = o.blob)
        ORDER BY o.blob LIMIT rows_max
    );
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$$;

-- Which of these blobs are of no content, of whichever organisation.
CREATE FUNCTION kernel.list_orphans(blobs uuid []) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT b FROM unnest(blobs) AS b
    WHERE NOT EXISTS (SELECT FROM kernel.contents c WHERE c.id = b)
$$;

REVOKE ALL ON FUNCTION kernel.delete_expired_contents(timestamptz, integer),
    kernel.sweep_content_chunks(uuid, integer), kernel.list_orphans(uuid []) FROM public;
GRANT EXECUTE ON FUNCTION kernel.delete_expired_contents(timestamptz, integer),
    kernel.sweep_content_chunks(uuid, integer), kernel.list_orphans(uuid []) TO dd0c_jobs;
