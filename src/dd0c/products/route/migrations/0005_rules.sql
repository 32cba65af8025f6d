-- Budgets, limits, and how doubtful cases are decided (R-13, R-16).
--
-- `subject` is '' for an organisation, the 32 hexadecimal digits of the id for a team or key, else the
-- text itself: what gateways compare with. Nothing is deleted: a removed row is marked, which gateways
-- follow as any change (decision 3), and says later what held when.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE route.budgets (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    scope text NOT NULL
        CHECK (scope IN ('organisation', 'team', 'key', 'tag', 'route', 'model')),
    subject text NOT NULL,
    span text NOT NULL CHECK (span IN ('minute', 'hour', 'day', 'week', 'month', 'total')),
    amount_pico bigint NOT NULL CHECK (amount_pico BETWEEN 1 AND 9000000000000000000),
    hard boolean NOT NULL,                   -- a soft one is only reported
    created_at timestamptz NOT NULL,         -- a budget that becomes hard is a new one
    removed_at timestamptz,
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE UNIQUE INDEX budgets_one ON route.budgets (org, scope, subject, span)
WHERE removed_at IS NULL;
CREATE INDEX budgets_in_order ON route.budgets (org, id) WHERE removed_at IS NULL;
CREATE INDEX budgets_changed ON route.budgets (changed_xid);

CREATE TABLE route.limits (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    scope text NOT NULL
        CHECK (scope IN ('organisation', 'team', 'key', 'tag', 'route', 'model')),
    subject text NOT NULL,
    requests_per_minute bigint CHECK (requests_per_minute > 0),
    tokens_per_minute bigint CHECK (tokens_per_minute > 0),
    concurrency bigint CHECK (concurrency > 0),
    created_at timestamptz NOT NULL,
    removed_at timestamptz,
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT limits_something
        CHECK (num_nonnulls(requests_per_minute, tokens_per_minute, concurrency) > 0)
);

CREATE UNIQUE INDEX limits_one ON route.limits (org, scope, subject) WHERE removed_at IS NULL;
CREATE INDEX limits_in_order ON route.limits (org, id) WHERE removed_at IS NULL;
CREATE INDEX limits_changed ON route.limits (changed_xid);

CREATE TABLE route.terms (
    org uuid PRIMARY KEY REFERENCES kernel.organisations (id),
    disconnect text NOT NULL DEFAULT 'abort'
        CHECK (disconnect IN ('abort', 'drain', 'drain_up_to_usd')),
    drain_pico bigint CHECK (drain_pico BETWEEN 1 AND 9000000000000000000),
    store_away text NOT NULL DEFAULT 'open' CHECK (store_away IN ('open', 'closed')),
    spool_full text NOT NULL DEFAULT 'closed' CHECK (spool_full IN ('open', 'closed')),
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT terms_drain CHECK ((disconnect = 'drain_up_to_usd') = (drain_pico IS NOT NULL))
);

CREATE INDEX terms_changed ON route.terms (changed_xid);

-- What gateways call the counters of a rule by. It is another one when the organisation has changed,
-- thus its time zone: who goes to another clock and back within a month must not find the counter of
-- before, which nobody has settled meanwhile. What is new is counted from the ledger first.
CREATE FUNCTION route.counter_of(rule uuid, measure text, org_changed xid8) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN substr(sha256(uuid_send(rule) || convert_to(measure || org_changed::text, 'UTF8')), 1, 16);

CREATE TRIGGER mark_changed BEFORE INSERT OR UPDATE ON route.budgets
FOR EACH ROW EXECUTE FUNCTION kernel.mark_changed();
CREATE TRIGGER mark_changed BEFORE INSERT OR UPDATE ON route.limits
FOR EACH ROW EXECUTE FUNCTION kernel.mark_changed();
CREATE TRIGGER mark_changed BEFORE INSERT OR UPDATE ON route.terms
FOR EACH ROW EXECUTE FUNCTION kernel.mark_changed();
CREATE TRIGGER notify AFTER INSERT OR UPDATE ON route.budgets
FOR EACH STATEMENT EXECUTE FUNCTION kernel.notify('dd0c_rules');
CREATE TRIGGER notify AFTER INSERT OR UPDATE ON route.limits
FOR EACH STATEMENT EXECUTE FUNCTION kernel.notify('dd0c_rules');
CREATE TRIGGER notify AFTER INSERT OR UPDATE ON route.terms
FOR EACH STATEMENT EXECUTE FUNCTION kernel.notify('dd0c_rules');

ALTER TABLE route.budgets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE route.limits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE route.terms ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON route.budgets TO dd0c_app
USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON route.limits TO dd0c_app
USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON route.terms TO dd0c_app
USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON route.budgets TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON route.limits TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON route.terms TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY gateway ON route.budgets FOR SELECT TO dd0c_gateway USING (true);
CREATE POLICY gateway ON route.limits FOR SELECT TO dd0c_gateway USING (true);
CREATE POLICY gateway ON route.terms FOR SELECT TO dd0c_gateway USING (true);

GRANT SELECT, INSERT, UPDATE ON route.budgets, route.limits, route.terms TO dd0c_app;
GRANT SELECT ON route.budgets, route.limits, route.terms TO dd0c_gateway;
