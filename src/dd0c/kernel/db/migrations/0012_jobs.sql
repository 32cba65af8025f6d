-- What went wrong in a run of a job, and a mark that tells when the queue changed (K-80).
--
-- procrastinate logs errors and keeps none. Its tables are of a schema that only the job worker's role
-- may enter, and their files come after these: so neither a reference to them, nor a look by the role
-- that serves the live page.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.job_failures (
    job bigint PRIMARY KEY,  -- of jobs.procrastinate_jobs
    error text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON kernel.job_failures TO dd0c_jobs;

CREATE FUNCTION kernel.queue_mark() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT md5(string_agg(concat_ws('/', status, number, attempts, newest), ',' ORDER BY status))
        FROM (
            SELECT status, count(*) AS number, sum(attempts) AS attempts, max(id) AS newest
            FROM jobs.procrastinate_jobs GROUP BY status
        ) AS counted
    );
END
$$;
REVOKE ALL ON FUNCTION kernel.queue_mark() FROM public;
GRANT EXECUTE ON FUNCTION kernel.queue_mark() TO dd0c_app;
