-- Plans: how much an organisation may have (K-84).
--
-- What a plan includes is in the code (kernel/plans). Null: the plan that the installation gives to
-- those who have none of their own. Whoever takes of a quota locks the organisation's row first, and
-- then counts what there is: what goes is free again by itself.
-- What cannot be counted because it is over, such as executions of a month, is counted up here. A
-- period begins with its first day by the organisation's clock.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

ALTER TABLE kernel.organisations ADD COLUMN plan text;
GRANT UPDATE (plan) ON kernel.organisations TO dd0c_app;

CREATE TABLE kernel.quota_uses (
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    quota text NOT NULL,
    period date NOT NULL,
    used bigint NOT NULL CHECK (used >= 0),
    PRIMARY KEY (org, quota, period)
);

ALTER TABLE kernel.quota_uses ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON kernel.quota_uses TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY owner ON kernel.quota_uses TO dd0c_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON kernel.quota_uses TO dd0c_app;
