-- What providers' exports said, to be compared with the ledger whenever somebody looks (R-17).

SET lock_timeout = '5s';
SET statement_timeout = '300s';

-- An export is there once, however often it is imported: `content` is its hash, with what it was
-- imported for. `lines` are what is left of it: sums by day and model, no text of the provider.
CREATE TABLE route.reconciliations (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    source text NOT NULL,                    -- openai, anthropic, csv
    kind text NOT NULL,
    credential_id uuid,                      -- null: all of the price provider's
    price_provider text NOT NULL,
    since date NOT NULL,                     -- days in UTC
    until date NOT NULL,                     -- not included
    by_model boolean NOT NULL,
    named boolean NOT NULL,                  -- models have display names
    measures text[] NOT NULL,
    lines jsonb NOT NULL,
    settled bigint NOT NULL,                 -- attempts that this import brought a cost
    content bytea NOT NULL,
    imported_by uuid NOT NULL,
    imported_at timestamptz NOT NULL,
    UNIQUE (org, content)
);

ALTER TABLE route.reconciliations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON route.reconciliations TO dd0c_app
USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON route.reconciliations TO dd0c_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON route.reconciliations TO dd0c_app;

-- Estimates are few, and looked for over months.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX attempts_estimated ON route.attempts (org, request_id)
WHERE usage_source = 'estimated';
-- So are those whose provider told neither usage nor cost.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX attempts_waiting ON route.attempts (org, request_id)
WHERE billed_pico IS NULL AND usage_source <> 'provider';
-- An export that names requests names the provider's: that is how its lines find their attempts.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX attempts_by_upstream_id ON route.attempts (org, upstream_request_id, request_id)
WHERE usage_source <> 'provider' AND upstream_request_id IS NOT NULL;
