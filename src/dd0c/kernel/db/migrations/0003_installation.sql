-- Whose database this is, and what its schemas open (K-2, K-7, K-10).
--
-- `installation` has one row: fingerprints of the secrets that this database needs, which lie in the
-- home of the machine that migrated first. They are keyed hashes and tell nothing of the secrets.
-- `access` holds the table of grants of the dd0c that migrated last, for an older one that may
-- serve on: it cannot know what a newer schema has to open.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.installation (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id text NOT NULL,
    fingerprints jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE kernel.access (
    schema text PRIMARY KEY,
    listed json NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT ON kernel.installation, kernel.access
TO dd0c_app, dd0c_gateway, dd0c_shipper, dd0c_jobs;
