-- The running parts of an installation, on whatever machine: what each last said of itself (K-5).
--
-- Not a tenant's table. A role sees and changes the rows it made itself, and the control server,
-- which shows them behind `platform:health`, sees all.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.parts (
    id uuid PRIMARY KEY,
    role name NOT NULL DEFAULT current_user,
    kind text NOT NULL CHECK (kind <> '' AND length(kind) <= 40),
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    stopped_at timestamptz,
    facts jsonb NOT NULL CHECK (octet_length(facts::text) <= 65536)
);

ALTER TABLE kernel.parts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner ON kernel.parts TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY own ON kernel.parts TO dd0c_app, dd0c_shipper, dd0c_jobs
    USING (role = current_user);
CREATE POLICY health ON kernel.parts FOR SELECT TO dd0c_app USING (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON kernel.parts TO dd0c_app, dd0c_shipper, dd0c_jobs;
