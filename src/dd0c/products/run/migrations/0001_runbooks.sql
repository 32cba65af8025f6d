-- Runbooks, their versions, and the steps of each version (N-4).
--
-- What a runbook says is sealed, source and steps together, in its version's row. In the clear stands
-- what is asked across versions: which step is which, whether it is the same, how far it is trusted.
-- A runbook that was removed keeps its rows, so that what was done by it stays explained.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

GRANT USAGE ON SCHEMA run TO dd0c_app;

CREATE TABLE run.runbooks (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    name text NOT NULL,
    version integer NOT NULL CHECK (version > 0),  -- the newest
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    removed_at timestamptz,
    UNIQUE (org, id)
);
CREATE UNIQUE INDEX runbooks_name ON run.runbooks (org, lower(name)) WHERE removed_at IS NULL;
CREATE INDEX runbooks_in_order ON run.runbooks (org, id) WHERE removed_at IS NULL;

CREATE TABLE run.versions (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    runbook uuid NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    steps integer NOT NULL CHECK (steps >= 0),
    risk smallint CHECK (risk IN (0, 10, 20, 30)),  -- of its worst command; null: it has none
    saved_at timestamptz NOT NULL,
    saved_by text NOT NULL,                  -- a key or a person
    secret bytea NOT NULL,                   -- source and steps
    data_key uuid NOT NULL REFERENCES kernel.data_keys (id),
    FOREIGN KEY (org, runbook) REFERENCES run.runbooks (org, id),
    UNIQUE (org, runbook, number),
    UNIQUE (org, id)
);
CREATE INDEX versions_data_key ON run.versions (data_key);

CREATE TABLE run.steps (
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    version uuid NOT NULL,
    position integer NOT NULL CHECK (position > 0),
    identity uuid NOT NULL,                  -- the same step in other versions has the same
    basis bytea NOT NULL,                    -- hash of all that its trust rests on
    pack text NOT NULL,                      -- the rules under which it is trusted
    trust smallint NOT NULL CHECK (trust BETWEEN 0 AND 3),
    trust_why text NOT NULL,
    PRIMARY KEY (version, position),
    FOREIGN KEY (org, version) REFERENCES run.versions (org, id) ON DELETE CASCADE
);
CREATE INDEX steps_of ON run.steps (org, identity);

ALTER TABLE run.runbooks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE run.versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE run.steps ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner ON run.runbooks TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON run.versions TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON run.steps TO dd0c_owner USING (true) WITH CHECK (true);

CREATE POLICY tenant ON run.runbooks TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON run.versions TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON run.steps TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);

GRANT SELECT, INSERT ON run.runbooks, run.versions, run.steps TO dd0c_app;
GRANT UPDATE (name, version, changed_at, removed_at) ON run.runbooks TO dd0c_app;
