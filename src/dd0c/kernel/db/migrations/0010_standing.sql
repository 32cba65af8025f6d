-- Who changes a person from within an organisation is held to its members by the database too: until
-- now only the callers of these functions checked it (K-10, K-12).
--
-- What happens before it is known which organisation somebody enters stays as it was: an account, what
-- a provider of identities calls them, and the end of all their sessions.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE OR REPLACE FUNCTION kernel.set_standing(
    whose uuid, is_platform boolean, disabled timestamptz
)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE kernel.people SET platform = is_platform, disabled_at = disabled
    WHERE id IN (
        SELECT person FROM kernel.memberships
        WHERE person = whose AND org = nullif(current_setting('dd0c.org', true), '')::uuid
    );
    IF NOT FOUND THEN
        RAISE EXCEPTION 'person % is no member here', whose USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION kernel.set_password(whose uuid, new_password text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE kernel.people SET password = new_password
    WHERE id IN (
        SELECT person FROM kernel.memberships
        WHERE person = whose AND org = nullif(current_setting('dd0c.org', true), '')::uuid
    );
    IF NOT FOUND THEN
        RAISE EXCEPTION 'person % is no member here', whose USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;
