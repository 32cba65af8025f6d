-- Hourly roll-ups: what pages sum up instead of the ledger (R-10), exact to the pico-dollar.
--
-- Whoever inserts attempts adds roll-up rows in the same transaction: the trigger below sees the rows
-- that were really inserted, so a batch shipped again adds nothing. Rows are only added (step 'new'),
-- never changed, so shippers do not wait for each other. A job takes
-- 'new' rows away and adds them to those of their hour and of their day. Readers add up the rows of
-- whole days, of whole hours, and the new ones; at any moment each attempt is in exactly one 'hour'
-- or 'new' row, and in exactly one 'day' or 'new' row.
--
-- In both tables a bigint or numeric column is a measure, and each other one a dimension. Measures
-- only add up: a correction (a re-rating) is a further row, negative if need be. Sums are numeric:
-- a provider may report 2^63 - 1 tokens twice in an hour.

SET lock_timeout = '5s';
SET statement_timeout = '300s';

CREATE TABLE route.rollups (
    org uuid NOT NULL,
    step text NOT NULL,                      -- new, hour, day
    at timestamptz NOT NULL,                 -- when its hour or day begins, UTC, by the request ids
    key_id uuid NOT NULL,
    requested_model text NOT NULL,
    served_model text,
    provider text NOT NULL,
    credential_id uuid,
    endpoint text NOT NULL,
    stream boolean NOT NULL,
    end_reason text NOT NULL,
    usage_source text NOT NULL,
    cost_reason text,                        -- why the cost is unknown; null: it is known
    requests bigint NOT NULL,                -- final attempts
    attempts bigint NOT NULL,
    input_tokens numeric,                    -- null: no attempt reported it
    cache_read_tokens numeric,
    cache_write_5m_tokens numeric,
    cache_write_1h_tokens numeric,
    output_tokens numeric,
    reasoning_tokens numeric,
    audio_input_tokens numeric,
    audio_output_tokens numeric,
    image_tokens numeric,
    server_tools numeric,
    cost_pico numeric                        -- as billed
);

CREATE INDEX rollups_by_time ON route.rollups (org, step, at);
CREATE INDEX rollups_new ON route.rollups (at, org) WHERE step = 'new';

-- How long complete answers took: counts in buckets that are 19 % wide (a quarter of an octave).
CREATE TABLE route.latencies (
    org uuid NOT NULL,
    step text NOT NULL,
    at timestamptz NOT NULL,
    requested_model text NOT NULL,
    provider text NOT NULL,
    stream boolean NOT NULL,
    kind text NOT NULL,                      -- first_byte, total
    bucket smallint NOT NULL,                -- from 2^(bucket/4) microseconds on
    answers bigint NOT NULL
);

CREATE INDEX latencies_by_time ON route.latencies (org, step, at);
CREATE INDEX latencies_new ON route.latencies (at, org) WHERE step = 'new';

ALTER TABLE route.rollups ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE route.latencies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON route.rollups TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON route.latencies TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON route.rollups TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON route.latencies TO dd0c_owner USING (true) WITH CHECK (true);
GRANT SELECT ON route.rollups, route.latencies TO dd0c_app;

CREATE FUNCTION route.latency_bucket(us bigint) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE  -- not STRICT: with greatest() that would not be inlined
RETURN floor(ln(greatest(us, 1)::double precision) * 4 / ln(2::double precision))::smallint;

-- Adds up what a statement inserted. Nothing but those rows is read: what is billed stands in the
-- attempt itself, because a join with its rating was planned as a loop over all pairs of a batch
-- whenever a month's partition was young.
CREATE FUNCTION route.roll_up() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH seen AS MATERIALIZED (
        SELECT org, date_trunc('hour', route.time_of(request_id), 'UTC') AS at, key_id,
            requested_model, served_model, provider, credential_id, endpoint, stream, end_reason,
            usage_source, unbilled_reason, final, input_tokens, cache_read_tokens,
            cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens,
            audio_input_tokens, audio_output_tokens, image_tokens, server_tools, billed_pico,
            first_byte_us, total_us
        FROM added
    ), rolled AS (
        INSERT INTO route.rollups
        SELECT org, 'new', at, key_id, requested_model, served_model, provider, credential_id,
            endpoint, stream, end_reason, usage_source, unbilled_reason,
            count(*) FILTER (WHERE final), count(*), sum(input_tokens), sum(cache_read_tokens),
            sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(output_tokens),
            sum(reasoning_tokens), sum(audio_input_tokens), sum(audio_output_tokens),
            sum(image_tokens), sum(server_tools), sum(billed_pico)
        FROM seen
        GROUP BY org, at, key_id, requested_model, served_model, provider, credential_id,
            endpoint, stream, end_reason, usage_source, unbilled_reason
    )
    INSERT INTO route.latencies
    SELECT org, 'new', at, requested_model, provider, stream, kind, route.latency_bucket(us),
        count(*)
    FROM seen CROSS JOIN LATERAL (
        VALUES ('first_byte', first_byte_us), ('total', total_us)
    ) AS measured (kind, us)
    WHERE end_reason = 'complete' AND endpoint <> 'models' AND us IS NOT NULL
    GROUP BY org, at, requested_model, provider, stream, kind, route.latency_bucket(us);
    RETURN NULL;
END
$$;

-- Adds new rows to those of their hour and day, in `spans_max` spans (an hour of an organisation) of
-- each table: those that ended before `ended_before`, and those with `new_min` new rows or more.
-- Says how many it found. One runner at a time; two would be right, too, but leave more rows.
CREATE FUNCTION route.merge_rollups(
    ended_before timestamptz, new_min integer, spans_max integer
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
DECLARE
    target regclass;
    kept text;
    groups text;
    sums text;
    found integer;
    merged integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('route.merge_rollups')) THEN
        RETURN 0;
    END IF;
    FOREACH target IN ARRAY ARRAY['route.rollups', 'route.latencies']::regclass[] LOOP
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
                FILTER (WHERE attname NOT IN ('org', 'step', 'at')),
            string_agg(quote_ident(attname), ', ' ORDER BY attnum)
                FILTER (WHERE atttypid NOT IN ('bigint'::regtype, 'numeric'::regtype)),
            string_agg(
                CASE WHEN atttypid IN ('bigint'::regtype, 'numeric'::regtype)
                    THEN format('sum(%I)', attname) ELSE quote_ident(attname) END,
                ', ' ORDER BY attnum
            )
        INTO kept, groups, sums
        FROM pg_attribute WHERE attrelid = target AND attnum > 0 AND NOT attisdropped;
        EXECUTE format($sql$
            WITH spans AS MATERIALIZED (
                SELECT org, at FROM %1$s WHERE step = 'new' GROUP BY at, org
                HAVING at + interval '1 hour' <= $1 OR count(*) >= $2 LIMIT $3
            ), fresh AS (
                DELETE FROM %1$s t USING spans s
                WHERE t.step = 'new' AND t.org = s.org AND t.at = s.at RETURNING t.*
            ), steps AS (
                SELECT DISTINCT org, into_step, date_trunc(into_step, at, 'UTC') AS into_at
                FROM spans, (VALUES ('hour'), ('day')) AS known (into_step)
            ), old AS (
                DELETE FROM %1$s t USING steps s
                WHERE t.step = s.into_step AND t.org = s.org AND t.at = s.into_at RETURNING t.*
            ), parts AS (
                SELECT org, step, at, %2$s FROM old
                UNION ALL
                SELECT org, into_step, date_trunc(into_step, at, 'UTC'), %2$s
                FROM fresh, (VALUES ('hour'), ('day')) AS known (into_step)
            ), made AS (
                INSERT INTO %1$s SELECT %3$s FROM parts GROUP BY %4$s
            )
            SELECT count(*) FROM spans
        $sql$, target, kept, sums, groups) INTO found USING ended_before, new_min, spans_max;
        merged := merged + found;
    END LOOP;
    RETURN merged;
END
$$;

REVOKE ALL ON FUNCTION route.roll_up() FROM public;
REVOKE ALL ON FUNCTION route.merge_rollups(timestamptz, integer, integer) FROM public;
GRANT EXECUTE ON FUNCTION route.merge_rollups(timestamptz, integer, integer) TO dd0c_jobs;

-- What was billed, as in the rating of revision 0: sums and lists of what has no cost need no join.
-- A live list asks for what arrived since it last looked, by transaction: ids are made when requests
-- begin, and long ones arrive after shorter, younger ones. Shippers wait in the spool meanwhile.
ALTER TABLE route.attempts
    ADD COLUMN billed_pico bigint,
    ADD COLUMN unbilled_reason text,         -- why nothing is known to be billed; null: it is
    ADD COLUMN arrived xid8 NOT NULL DEFAULT pg_current_xact_id();

UPDATE route.attempts a
SET billed_pico = r.cost_pico,
    unbilled_reason = CASE WHEN r.cost_pico IS NULL THEN coalesce(r.reason, 'unknown') END
FROM route.ratings r
WHERE r.request_id = a.request_id AND r.attempt = a.attempt AND r.revision = 0;

-- The table is locked since ALTER above, so building beside traffic would gain nothing.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX attempts_arrived ON route.attempts (org, arrived);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX attempts_by_provider ON route.attempts (org, provider, request_id);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX attempts_unbilled ON route.attempts (org, request_id) WHERE billed_pico IS NULL;
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX route.ratings_newest;             -- nobody reads all ratings of an organisation

-- What is there now is added up here, by the same function; what comes later adds itself up.
CREATE TABLE route.attempts_before (LIKE route.attempts);
CREATE TRIGGER roll_up AFTER INSERT ON route.attempts_before REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION route.roll_up();
INSERT INTO route.attempts_before SELECT * FROM route.attempts;
-- squawk-ignore ban-drop-table
DROP TABLE route.attempts_before;  -- made above

CREATE TRIGGER roll_up AFTER INSERT ON route.attempts REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION route.roll_up();
