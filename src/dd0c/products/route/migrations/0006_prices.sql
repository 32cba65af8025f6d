-- Prices that organisations have of their own (R-12), and re-rating.
--
-- An override is never deleted: it is removed or ended, and what it billed stays explained. Periods
-- of one model and service tier do not overlap: whoever adds one holds the organisation's lock and
-- looks.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE route.price_overrides (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    provider text NOT NULL,
    model text NOT NULL,
    service_tier text NOT NULL,              -- '' is the standard one
    rates jsonb NOT NULL,                    -- in the form of route.prices
    price_id text NOT NULL,
    holds_from timestamptz NOT NULL,
    holds_until timestamptz,                 -- not included; null: open
    note text,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,                -- a key
    removed_at timestamptz,
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE INDEX price_overrides_of ON route.price_overrides (org, provider, model);
CREATE INDEX price_overrides_changed ON route.price_overrides (changed_xid);

CREATE TRIGGER mark_changed BEFORE INSERT OR UPDATE ON route.price_overrides
FOR EACH ROW EXECUTE FUNCTION kernel.mark_changed();
CREATE TRIGGER notify AFTER INSERT OR UPDATE ON route.price_overrides
FOR EACH STATEMENT EXECUTE FUNCTION kernel.notify('dd0c_price_overrides');

ALTER TABLE route.price_overrides ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON route.price_overrides TO dd0c_app
USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON route.price_overrides TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY gateway ON route.price_overrides FOR SELECT TO dd0c_gateway USING (true);

GRANT SELECT, INSERT ON route.price_overrides TO dd0c_app;
GRANT UPDATE (holds_until, removed_at) ON route.price_overrides TO dd0c_app;
GRANT SELECT ON route.price_overrides TO dd0c_gateway;

-- What an organisation agreed with a provider is nobody else's business: its rates are its own
-- rows, under ids that are hashed with the organisation.
ALTER TABLE route.prices ADD COLUMN org uuid;  -- null: the list, everybody's

ALTER TABLE route.prices ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON route.prices TO dd0c_app
USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON route.prices TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY list ON route.prices FOR SELECT TO dd0c_app USING (org IS NULL);
CREATE POLICY listed ON route.prices FOR INSERT TO dd0c_app WITH CHECK (org IS NULL);
CREATE POLICY ship ON route.prices FOR INSERT TO dd0c_shipper WITH CHECK (org IS NULL);

GRANT INSERT ON route.prices TO dd0c_app;

-- Rates attempts of the transaction's tenant anew: each gets a rating more, which is the one that
-- is billed from then on, and the sums follow by the triggers of 0004. An attempt that was settled
-- or rated since it was read (`seen`, its revision then) is left alone, and what costs the same.
-- Says how many were rated. `ids` ascend.
CREATE FUNCTION route.rerate(
    ids uuid[], attempts smallint[], seen smallint[], prices text[], costs bigint[],
    delivered bigint[], upstream bigint[], why text, now timestamptz
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    tenant CONSTANT uuid := nullif(current_setting('dd0c.org', true), '')::uuid;
    rated bigint;
BEGIN
    -- One at a time: two would take the same rows in any order.
    PERFORM pg_advisory_xact_lock(hashtextextended('route.rerate' || tenant, 0));
    WITH wanted AS MATERIALIZED (
        SELECT * FROM unnest(ids, attempts, seen, prices, costs, delivered, upstream)
            AS w (request_id, attempt, revision, price_id, cost, of_delivered, of_upstream)
    ), changed AS (
        UPDATE route.attempts a
        SET billed_pico = w.cost, unbilled_reason = NULL, billed_revision = w.revision + 1
        FROM wanted w
        WHERE a.request_id = w.request_id AND a.attempt = w.attempt
            AND a.request_id BETWEEN ids[1] AND ids[cardinality(ids)] AND a.org = tenant
            AND a.billed_revision = w.revision AND (a.billed_pico = w.cost) IS NOT TRUE
        RETURNING w.*, a.billed_revision, a.org
    )
    INSERT INTO route.ratings
        (request_id, attempt, revision, org, price_id, cost_pico, cost_delivered_pico,
        cost_upstream_pico, reason, rated_at)
    SELECT request_id, attempt, billed_revision, org, price_id, cost, of_delivered, of_upstream,
        why, now
    FROM changed;
    GET DIAGNOSTICS rated = ROW_COUNT;
    RETURN rated;
END
$$;

REVOKE ALL ON FUNCTION route.rerate(
    uuid[], smallint[], smallint[], text[], bigint[], bigint[], bigint[], text, timestamptz
) FROM public;
GRANT EXECUTE ON FUNCTION route.rerate(
    uuid[], smallint[], smallint[], text[], bigint[], bigint[], bigint[], text, timestamptz
) TO dd0c_app;
