-- A part that is gone for good, on a machine that nobody starts one on again, may be forgotten before
-- its day is over (K-5). One that reports is nobody's to remove: it would come back in five seconds.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE POLICY forgets ON kernel.parts FOR DELETE TO dd0c_app
    USING (stopped_at IS NOT NULL OR abs(extract(epoch FROM now() - seen_at)) > 20);
