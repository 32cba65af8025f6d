-- What is deleted by the clock is told to the audit log, by what deletes it: once for each
-- organisation and transaction (K-50). As in 0009 and 0010 but for that, so that a job worker of
-- before goes on, and tells it too.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

-- `what` is in the product's catalogue of events.
CREATE FUNCTION route.tell(of uuid, what text, attempts bigint) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO kernel.audit_outbox (id, org, name, actor, subject, facts)
    VALUES (gen_random_uuid(), of, what, 'system', 'attempts', format('{"attempts":%s}', attempts))
$$;
REVOKE ALL ON FUNCTION route.tell(uuid, text, bigint) FROM public;

CREATE OR REPLACE FUNCTION route.delete_expired(now timestamptz, requests_max integer)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
DECLARE
    tenant uuid;
    days integer;
    expired uuid[];
    gone bigint;
BEGIN
    FOR tenant, days IN
        SELECT t.org, CASE
            WHEN date_part('minute', now AT TIME ZONE o.time_zone)
                = date_part('minute', now AT TIME ZONE 'UTC') THEN t.retention_days
            ELSE greatest(t.retention_days, 32)
        END
        FROM route.terms t JOIN kernel.organisations o ON o.id = t.org
        WHERE t.retention_days IS NOT NULL
        ORDER BY t.org
    LOOP
        expired := ARRAY(
            SELECT request_id FROM route.attempts
            WHERE org = tenant AND request_id < route.first_id(now - make_interval(days => days))
            ORDER BY request_id LIMIT requests_max
        );
        CONTINUE WHEN expired = '{}';
        DELETE FROM route.attempt_tags WHERE request_id = ANY (expired) AND org = tenant;
        DELETE FROM route.ratings WHERE request_id = ANY (expired) AND org = tenant;
        DELETE FROM route.attempts WHERE request_id = ANY (expired) AND org = tenant;
        GET DIAGNOSTICS gone = ROW_COUNT;
        PERFORM route.tell(tenant, 'ExpiredRequestsDeleted', gone);
        RETURN gone;
    END LOOP;
    RETURN 0;
END
$$;

CREATE OR REPLACE FUNCTION route.erase_end_users(at timestamptz, rows_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
DECLARE
    tenant uuid;
    blanked bigint;
    total bigint := 0;
BEGIN
    DELETE FROM route.erasures WHERE erased_at < at - interval '31 days';
    FOR tenant, blanked IN
        WITH done AS (
            UPDATE route.attempts a
            SET end_user = NULL, caller_key = NULL, conversation = NULL, prefix_hash = NULL
            FROM (
                SELECT f.request_id, f.attempt
                FROM route.erasures e JOIN route.attempts f ON f.org = e.org
                    AND f.end_user IS NOT NULL AND hashtextextended(f.end_user, 0) = e.subject
                    AND f.request_id < route.first_id(e.erased_at)
                LIMIT rows_max
            ) AS found
            WHERE a.request_id = found.request_id AND a.attempt = found.attempt
            RETURNING a.org
        )
        SELECT org, count(*) FROM done GROUP BY org ORDER BY org
    LOOP
        PERFORM route.tell(tenant, 'EndUsersBlanked', blanked);
        total := total + blanked;
    END LOOP;
    RETURN total;
END
$$;
