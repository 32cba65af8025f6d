-- Erasing an end user of an organisation out of the ledger (K-14).
--
-- `subject` is a hash of what the callers named the user by, so that the list of those who asked to be
-- forgotten does not name them. It stays for a month: a gateway may bring requests of before so late.

SET lock_timeout = '5s';
SET statement_timeout = '300s';

CREATE TABLE route.erasures (
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    subject bigint NOT NULL,                 -- hashtextextended(end_user, 0)
    erased_at timestamptz NOT NULL,          -- of requests that began before
    PRIMARY KEY (org, subject)
);

ALTER TABLE route.erasures ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON route.erasures TO dd0c_app
USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON route.erasures TO dd0c_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON route.erasures TO dd0c_app;

-- Few requests name an end user; the partitions of the months before hold those that do.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX attempts_by_end_user
ON route.attempts (org, hashtextextended(end_user, 0), request_id) WHERE end_user IS NOT NULL;

-- Takes out of up to `rows_max` attempts what tells whose they were, and says how many; 0: there are
-- no more. What they cost stays.
CREATE FUNCTION route.erase_end_users(at timestamptz, rows_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
DECLARE
    blanked bigint;
BEGIN
    DELETE FROM route.erasures WHERE erased_at < at - interval '31 days';
    UPDATE route.attempts a
    SET end_user = NULL, caller_key = NULL, conversation = NULL, prefix_hash = NULL
    FROM (
        SELECT f.request_id, f.attempt
        FROM route.erasures e JOIN route.attempts f ON f.org = e.org
            AND f.end_user IS NOT NULL AND hashtextextended(f.end_user, 0) = e.subject
            AND f.request_id < route.first_id(e.erased_at)
        LIMIT rows_max
    ) AS found
    WHERE a.request_id = found.request_id AND a.attempt = found.attempt;
    GET DIAGNOSTICS blanked = ROW_COUNT;
    RETURN blanked;
END
$$;

REVOKE ALL ON FUNCTION route.erase_end_users(timestamptz, integer) FROM public;
GRANT EXECUTE ON FUNCTION route.erase_end_users(timestamptz, integer) TO dd0c_jobs;
