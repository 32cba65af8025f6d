-- The ledger of route: one row per attempt, its ratings, tags and prices (R-10, R-12).
--
-- Attempts and what hangs on them are partitioned by month on the request id: a version 7 uuid holds
-- its time, so the primary key is the time axis, and retention drops whole partitions.
-- No CHECK and no foreign key: a row that arrives late, from an older or newer gateway, must never
-- be refused; what it may hold is decided by the code that writes it.
-- Text columns hold at most 256 characters (the writer cuts visibly), so that they fit an index.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE route.attempts (
    request_id uuid NOT NULL,
    attempt smallint NOT NULL,               -- 0: answered or refused by dd0c itself
    final boolean NOT NULL,                  -- the attempt whose answer the caller got
    org uuid NOT NULL,
    team uuid,
    key_id uuid NOT NULL,
    end_user text,
    conversation text,
    prefix_hash bytea,                       -- of the prompt's prefix: cache affinity
    caller_key text,                         -- the caller's idempotency key
    caller_retry bigint,                     -- the caller's own retry count
    parent_request uuid,
    parent_kind text,                        -- hedge, fallback, batch
    endpoint text NOT NULL,
    dialect text NOT NULL,
    stream boolean NOT NULL,
    requested_model text NOT NULL,
    sent_model text NOT NULL,
    served_model text,
    provider text NOT NULL,
    price_provider text NOT NULL,
    credential_id uuid,
    deployment text,
    region text,
    service_tier text,
    route text,
    route_reason text NOT NULL,
    policy_version bigint,
    started_at timestamptz NOT NULL,
    queue_us bigint,
    first_byte_us bigint,
    total_us bigint,                         -- null: lost, nobody saw the end
    status bigint,                           -- what the caller got
    upstream_status bigint,
    end_reason text NOT NULL,
    error_code text,
    input_tokens bigint,                     -- the buckets are disjoint; null: not reported
    cache_read_tokens bigint,
    cache_write_5m_tokens bigint,
    cache_write_1h_tokens bigint,
    output_tokens bigint,                    -- without reasoning where the provider splits it
    reasoning_tokens bigint,
    audio_input_tokens bigint,
    audio_output_tokens bigint,
    image_tokens bigint,
    server_tools bigint,
    usage_source text NOT NULL,
    usage_error double precision,            -- relative error bound of an estimate
    usage_raw json,                          -- as the provider wrote it
    delivered_output_tokens bigint,
    upstream_output_tokens bigint,
    upstream_request_id text,
    bytes_in bigint,
    bytes_out bigint,
    reserved_pico bigint,
    trace_id bytea NOT NULL,
    PRIMARY KEY (request_id, attempt)
) PARTITION BY RANGE (request_id);

-- Each list is newest first within one organisation; usage is read over a span of request ids.
CREATE INDEX attempts_newest ON route.attempts (org, request_id);
CREATE INDEX attempts_by_model ON route.attempts (org, requested_model, request_id);
CREATE INDEX attempts_by_key ON route.attempts (org, key_id, request_id);
CREATE INDEX attempts_by_end_reason ON route.attempts (org, end_reason, request_id);

-- What an attempt cost under a price. Revision 0 is what was billed; a re-rating adds a revision.
CREATE TABLE route.ratings (
    request_id uuid NOT NULL,
    attempt smallint NOT NULL,
    revision smallint NOT NULL,
    org uuid NOT NULL,
    price_id text,
    cost_pico bigint,                        -- 10^-12 dollars; null: unknown, see reason
    cost_delivered_pico bigint,
    cost_upstream_pico bigint,
    reason text,
    rated_at timestamptz NOT NULL,
    PRIMARY KEY (request_id, attempt, revision)
) PARTITION BY RANGE (request_id);

CREATE INDEX ratings_newest ON route.ratings (org, request_id);

CREATE TABLE route.attempt_tags (
    request_id uuid NOT NULL,
    attempt smallint NOT NULL,
    tag text NOT NULL,
    org uuid NOT NULL,
    PRIMARY KEY (request_id, attempt, tag)
) PARTITION BY RANGE (request_id);

CREATE INDEX attempt_tags_by_tag ON route.attempt_tags (org, tag, request_id);

-- Resolved rates under the hash of what they are: the same for everybody, never changed.
CREATE TABLE route.prices (
    id text PRIMARY KEY,
    provider text NOT NULL,
    model text NOT NULL,
    rates jsonb NOT NULL,                    -- dollars per million, decimal text, by tier
    source text NOT NULL,
    as_of date,                              -- when the source last checked them; null: unknown
    first_seen_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE route.attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE route.ratings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE route.attempt_tags ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON route.attempts TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON route.ratings TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON route.attempt_tags TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);

CREATE POLICY owner ON route.attempts TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON route.ratings TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON route.attempt_tags TO dd0c_owner USING (true) WITH CHECK (true);

CREATE POLICY ship ON route.attempts FOR INSERT TO dd0c_shipper WITH CHECK (true);
CREATE POLICY ship ON route.ratings FOR INSERT TO dd0c_shipper WITH CHECK (true);
CREATE POLICY ship ON route.attempt_tags FOR INSERT TO dd0c_shipper WITH CHECK (true);

GRANT USAGE ON SCHEMA route TO dd0c_app, dd0c_shipper, dd0c_jobs, dd0c_gateway;
GRANT SELECT ON route.attempts, route.ratings, route.attempt_tags, route.prices TO dd0c_app;
GRANT INSERT ON route.attempts, route.ratings, route.attempt_tags, route.prices TO dd0c_shipper;

-- The time inside a version 7 uuid (uuid_extract_timestamp knows that version from 18 on only).
CREATE FUNCTION route.time_of(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_timestamp(
    ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint::numeric / 1000
);

-- The smallest version 7 uuid of a moment: the bound of a partition or of a span of time.
CREATE FUNCTION route.first_id(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_replace(
    lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0'),
    '^(.{8})(.{4})$', '\1-\2-7000-8000-000000000000'
)::uuid;

-- Makes the monthly partitions (UTC) that cover the span; says how many were new. A partition is
-- built beside its parent and then attached: that lock lets everybody else read and write.
CREATE FUNCTION route.ensure_partitions(span_from timestamptz, span_to timestamptz)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
DECLARE
    month timestamp := date_trunc('month', span_from AT TIME ZONE 'UTC');
    parent text;
    child text;
    made integer := 0;
BEGIN
    IF span_from < '2020-01-01+00' OR span_to >= '2200-01-01+00' OR span_to < span_from
        OR span_to - span_from > interval '3700 days' THEN
        RAISE EXCEPTION 'no partitions for % to %', span_from, span_to
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    WHILE month <= span_to AT TIME ZONE 'UTC' LOOP
        FOREACH parent IN ARRAY ARRAY['attempts', 'ratings', 'attempt_tags'] LOOP
            child := parent || to_char(month, '"_"YYYY"_"MM');
            CONTINUE WHEN to_regclass(format('route.%I', child)) IS NOT NULL;
            PERFORM pg_advisory_xact_lock(hashtext('route.ensure_partitions'));
            CONTINUE WHEN to_regclass(format('route.%I', child)) IS NOT NULL;
            EXECUTE format('CREATE TABLE route.%I (LIKE route.%I INCLUDING ALL)', child, parent);
            EXECUTE format(
                'ALTER TABLE route.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', child
            );
            EXECUTE format(
                'ALTER TABLE route.%I ATTACH PARTITION route.%I FOR VALUES FROM (%L) TO (%L)',
                parent, child,
                route.first_id(month AT TIME ZONE 'UTC'),
                route.first_id((month + interval '1 month') AT TIME ZONE 'UTC')
            );
            made := made + 1;
        END LOOP;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END
$$;

REVOKE ALL ON FUNCTION route.ensure_partitions(timestamptz, timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION route.ensure_partitions(timestamptz, timestamptz)
    TO dd0c_shipper, dd0c_jobs;

SELECT route.ensure_partitions(now(), now() + interval '2 months');
