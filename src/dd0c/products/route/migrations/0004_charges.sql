-- What an attempt is charged, and sums by team and by tag (R-10, R-16, R-17).
--
-- Charged is what budgets count: the cost, while that is unknown what was reserved for it, else
-- nothing. It is worked out here, so that nobody can write another.
--
-- Tags stand in the attempt. From there the trigger keeps the sums by tag, which have the columns of
-- the other sums, and the list by tag: an index could not serve it under row security.
--
-- A change of an attempt, which only `route.settle` makes, is taken out of the sums as it was and put
-- in as it is: the same trigger, once with -1 and once with 1.

SET lock_timeout = '5s';
SET statement_timeout = '300s';

ALTER TABLE route.attempts
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN billed_revision smallint NOT NULL DEFAULT 0;    -- the rating that was billed

UPDATE route.attempts a SET tags = t.tags
FROM (
    SELECT request_id, attempt, array_agg(tag ORDER BY tag) AS tags
    FROM route.attempt_tags GROUP BY 1, 2
) AS t
WHERE t.request_id = a.request_id AND t.attempt = a.attempt;

ALTER TABLE route.attempts
    ADD COLUMN charged_pico bigint NOT NULL
        -- squawk-ignore adding-field-with-default
        GENERATED ALWAYS AS (coalesce(billed_pico, reserved_pico, 0)) STORED;

-- The table is locked since ALTER above, so building beside traffic would gain nothing.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX attempts_by_team ON route.attempts (org, team, request_id) WHERE team IS NOT NULL;

DROP POLICY ship ON route.attempt_tags;
REVOKE INSERT ON route.attempt_tags FROM dd0c_shipper;

-- All is added up anew at the end, so there is no row that a new column could be missing in.
DROP TRIGGER roll_up ON route.attempts;
TRUNCATE route.rollups, route.latencies;
ALTER TABLE route.rollups
    ADD COLUMN team uuid,
    -- squawk-ignore adding-required-field
    ADD COLUMN sent_model text NOT NULL,
    -- squawk-ignore adding-required-field
    ADD COLUMN tagged boolean NOT NULL,
    -- squawk-ignore adding-required-field
    ADD COLUMN charged_pico numeric NOT NULL;

-- The same by tag: an attempt is in the sums of each of its tags. What `rollups` gets at its end this
-- one needs, too.
CREATE TABLE route.tag_rollups (tag text NOT NULL, LIKE route.rollups);
CREATE INDEX tag_rollups_by_time ON route.tag_rollups (org, step, at, tag);
CREATE INDEX tag_rollups_new ON route.tag_rollups (at, org) WHERE step = 'new';

ALTER TABLE route.tag_rollups ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON route.tag_rollups TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON route.tag_rollups TO dd0c_owner USING (true) WITH CHECK (true);
GRANT SELECT ON route.tag_rollups TO dd0c_app;

-- A gateway counts what was charged to a budget before it gives anything out of it.
CREATE POLICY gateway ON route.attempts FOR SELECT TO dd0c_gateway USING (true);
CREATE POLICY gateway ON route.rollups FOR SELECT TO dd0c_gateway USING (true);
CREATE POLICY gateway ON route.tag_rollups FOR SELECT TO dd0c_gateway USING (true);
GRANT SELECT (request_id, org, team, key_id, requested_model, sent_model, tags, charged_pico)
    ON route.attempts TO dd0c_gateway;
GRANT SELECT (step, at, org, team, key_id, requested_model, sent_model, charged_pico)
    ON route.rollups TO dd0c_gateway;
GRANT SELECT (tag, step, at, org, charged_pico) ON route.tag_rollups TO dd0c_gateway;

-- Adds up what a statement wrote, or with the argument -1 takes it out. Nothing but those rows is
-- read: a join with another table was planned as a loop over all pairs of a batch whenever a month's
-- partition was young.
CREATE OR REPLACE FUNCTION route.roll_up() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sign CONSTANT integer := TG_ARGV[0];
BEGIN
    WITH seen AS MATERIALIZED (
        SELECT org, date_trunc('hour', route.time_of(request_id), 'UTC') AS at, key_id,
            requested_model, served_model, provider, credential_id, endpoint, stream, end_reason,
            usage_source, unbilled_reason, team, sent_model, tags, final, input_tokens,
            cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,
            reasoning_tokens, audio_input_tokens, audio_output_tokens, image_tokens, server_tools,
            billed_pico, charged_pico, first_byte_us, total_us FROM changed
    ), summed AS MATERIALIZED (
        SELECT tags, ROW(
            org, 'new', at, key_id, requested_model, served_model, provider, credential_id,
            endpoint, stream, end_reason, usage_source, unbilled_reason,
            sign * count(*) FILTER (WHERE final), sign * count(*), sign * sum(input_tokens),
            sign * sum(cache_read_tokens), sign * sum(cache_write_5m_tokens),
            sign * sum(cache_write_1h_tokens), sign * sum(output_tokens),
            sign * sum(reasoning_tokens), sign * sum(audio_input_tokens),
            sign * sum(audio_output_tokens), sign * sum(image_tokens), sign * sum(server_tools),
            sign * sum(billed_pico), team, sent_model, tags <> '{}', sign * sum(charged_pico)
        )::route.rollups AS sums
        FROM seen
        GROUP BY org, at, key_id, requested_model, served_model, provider, credential_id,
            endpoint, stream, end_reason, usage_source, unbilled_reason, team, sent_model, tags
    ), rolled AS (
        INSERT INTO route.rollups SELECT (sums).* FROM summed
    ), by_tag AS (
        INSERT INTO route.tag_rollups SELECT tag, (sums).* FROM summed, unnest(tags) AS tag
    ), listed AS (
        INSERT INTO route.attempt_tags (request_id, attempt, tag, org)
        SELECT request_id, attempt, tag, org FROM changed, unnest(tags) AS tag
        WHERE tags <> '{}'
        ON CONFLICT DO NOTHING
    )
    INSERT INTO route.latencies
    SELECT org, 'new', at, requested_model, provider, stream, kind, route.latency_bucket(us),
        sign * count(*)
    FROM seen CROSS JOIN LATERAL (
        VALUES ('first_byte', first_byte_us), ('total', total_us)
    ) AS measured (kind, us)
    WHERE end_reason = 'complete' AND endpoint NOT IN ('models', 'count_tokens')
        AND us IS NOT NULL
    GROUP BY org, at, requested_model, provider, stream, kind, route.latency_bucket(us);
    RETURN NULL;
END
$$;

-- As before, of one table more.
CREATE OR REPLACE FUNCTION route.merge_rollups(
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
    FOREACH target IN ARRAY
        ARRAY['route.rollups', 'route.tag_rollups', 'route.latencies']::regclass[]
    LOOP
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

-- Settles an attempt of the transaction's tenant whose cost was unknown: what a provider does or
-- tells later, as of a batch, an answer in the background, a lost attempt. That is a rating more,
-- which is the one that is billed from then on. False: there is no such attempt, or its cost is known.
CREATE FUNCTION route.settle(
    settled_id uuid, settled_attempt smallint, ended text, buckets bigint[], source text,
    raw json, price text, cost bigint, now timestamptz
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    settled route.attempts;
BEGIN
    UPDATE route.attempts a
    SET end_reason = ended, usage_source = source, usage_raw = raw, usage_error = NULL,
        input_tokens = buckets[1], cache_read_tokens = buckets[2],
        cache_write_5m_tokens = buckets[3], cache_write_1h_tokens = buckets[4],
        output_tokens = buckets[5], reasoning_tokens = buckets[6],
        audio_input_tokens = buckets[7], audio_output_tokens = buckets[8],
        image_tokens = buckets[9], server_tools = buckets[10],
        billed_pico = cost, unbilled_reason = NULL, arrived = pg_current_xact_id(),
        billed_revision = (
            SELECT max(revision) + 1 FROM route.ratings r
            WHERE r.request_id = settled_id AND r.attempt = settled_attempt
        )
    WHERE a.request_id = settled_id AND a.attempt = settled_attempt AND a.billed_pico IS NULL
        AND a.org = nullif(current_setting('dd0c.org', true), '')::uuid
    RETURNING a.* INTO settled;
    IF NOT found THEN
        RETURN false;
    END IF;
    INSERT INTO route.ratings
        (request_id, attempt, revision, org, price_id, cost_pico, rated_at)
    VALUES (settled_id, settled_attempt, settled.billed_revision, settled.org, price, cost, now);
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION route.roll_up() FROM public;
REVOKE ALL ON FUNCTION route.settle(
    uuid, smallint, text, bigint[], text, json, text, bigint, timestamptz
) FROM public;
GRANT EXECUTE ON FUNCTION route.settle(
    uuid, smallint, text, bigint[], text, json, text, bigint, timestamptz
) TO dd0c_app;

-- What is there now is added up here, by the same function; what comes later adds itself up.
CREATE TABLE route.attempts_before (LIKE route.attempts);
CREATE TRIGGER roll_up AFTER INSERT ON route.attempts_before REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION route.roll_up('1');
INSERT INTO route.attempts_before SELECT * FROM route.attempts;
-- squawk-ignore ban-drop-table
DROP TABLE route.attempts_before;  -- made above

CREATE TRIGGER roll_up AFTER INSERT ON route.attempts REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION route.roll_up('1');
CREATE TRIGGER take_out AFTER UPDATE ON route.attempts REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION route.roll_up('-1');
CREATE TRIGGER put_in AFTER UPDATE ON route.attempts REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION route.roll_up('1');
