-- How long an organisation keeps its requests (R-10).
--
-- Deleted are attempts, their ratings and their tags. What they add up to stays: the triggers of the
-- ledger follow what is added and changed, not what is deleted, so sums, budgets and pages of past
-- months say what they said.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

ALTER TABLE route.terms
    ADD COLUMN retention_days integer        -- null: they are kept
    CONSTRAINT terms_retention CHECK (retention_days BETWEEN 1 AND 36500);

-- Deletes some `requests_max` requests that are older than their organisation keeps them, oldest
-- first, and says how many attempts that were; 0: there are no more.
--
-- Sums are by the hour (UTC). Where a day begins within one, as in India, a budget counts the first
-- part of its window from the attempts themselves: they stay for as long as a month may last.
CREATE FUNCTION route.delete_expired(now timestamptz, requests_max integer) RETURNS bigint
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
        RETURN gone;
    END LOOP;
    RETURN 0;
END
$$;

REVOKE ALL ON FUNCTION route.delete_expired(timestamptz, integer) FROM public;
GRANT EXECUTE ON FUNCTION route.delete_expired(timestamptz, integer) TO dd0c_jobs;
