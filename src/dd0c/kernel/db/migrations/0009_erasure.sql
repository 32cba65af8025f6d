-- Erasing an organisation or a person, and forgetting what is over (K-14).
--
-- An organisation is closed in one transaction: nobody gets in, and what sealed its secrets is gone. A
-- job then takes its rows away, in batches and again every hour: a gateway may bring requests late.
-- What stays is a row without a name, so that an id in old places means something, and nothing else.
-- Which tables those are is asked of the catalogue: a new one needs no line here.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

ALTER TABLE kernel.organisations
    ADD COLUMN erased_at timestamptz,        -- nobody has got in since
    ADD COLUMN emptied_at timestamptz;       -- when nothing of it was left, the last time of looking
ALTER TABLE kernel.people ADD COLUMN erased_at timestamptz;
GRANT SELECT (erased_at) ON kernel.people TO dd0c_app;

-- Whoever was let in before an organisation was closed makes no key and no member after it: the
-- closing waits for those who are at it, and they for it. Under the caller's own row security: that
-- of others neither exists nor is erased.
CREATE FUNCTION kernel.refuse_erased() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    erased timestamptz;
BEGIN
    SELECT erased_at INTO erased FROM kernel.organisations WHERE id = NEW.org FOR KEY SHARE;
    IF erased IS NOT NULL THEN
        RAISE EXCEPTION 'the organisation % is gone', NEW.org
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_erased BEFORE INSERT ON kernel.api_keys
FOR EACH ROW EXECUTE FUNCTION kernel.refuse_erased();
CREATE TRIGGER refuse_erased BEFORE INSERT ON kernel.memberships
FOR EACH ROW EXECUTE FUNCTION kernel.refuse_erased();

-- Takes from these people all that tells who they are; their ids stay, for what they did.
CREATE FUNCTION kernel.blank_people(whose uuid[], at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM kernel.sessions WHERE person = ANY (whose);
    DELETE FROM kernel.invitations
    WHERE email IN (SELECT email FROM kernel.people WHERE id = ANY (whose));
    UPDATE kernel.invitations SET revoked_at = at
    WHERE created_by = ANY (whose) AND used_at IS NULL AND revoked_at IS NULL;
    UPDATE kernel.memberships SET team = NULL, removed_at = coalesce(removed_at, at)
    WHERE person = ANY (whose);
    UPDATE kernel.people
    SET email = 'erased ' || id, name = 'erased person', password = NULL, issuer = NULL,
        subject = NULL, platform = false, disabled_at = coalesce(disabled_at, at), erased_at = at
    WHERE id = ANY (whose) AND erased_at IS NULL;
$$;

-- Erases a person. Not null: the organisations that would have no owner left; then nothing is done.
CREATE FUNCTION kernel.erase_person(whose uuid, at timestamptz) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owned uuid[] := ARRAY(
        SELECT org FROM kernel.memberships
        WHERE person = whose AND removed_at IS NULL AND 'owner' = ANY (roles)
    );
    alone text[];
BEGIN
    PERFORM FROM kernel.memberships
    WHERE org = ANY (owned) AND 'owner' = ANY (roles) ORDER BY org, person FOR UPDATE;
    SELECT array_agg(o.name ORDER BY o.name) INTO alone
    FROM kernel.organisations o
    WHERE o.id = ANY (owned) AND NOT EXISTS (
        SELECT FROM kernel.memberships m JOIN kernel.people p ON p.id = m.person
        WHERE m.org = o.id AND m.person <> whose AND 'owner' = ANY (m.roles)
            AND m.removed_at IS NULL AND p.disabled_at IS NULL
    );
    IF alone IS NULL THEN
        PERFORM kernel.blank_people(ARRAY[whose], at);
    END IF;
    RETURN alone;
END
$$;

-- Closes an organisation for good. People who belong to no other go with it. What is sealed goes
-- with the data keys that it is under. False: there is none, or it was closed before.
CREATE FUNCTION kernel.erase_organisation(erased uuid, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    holding regclass;
BEGIN
    PERFORM FROM kernel.organisations WHERE id = erased AND erased_at IS NULL FOR UPDATE;
    IF NOT found THEN
        RETURN false;
    END IF;
    UPDATE kernel.organisations SET name = 'erased ' || id, time_zone = 'UTC', erased_at = at
    WHERE id = erased;
    UPDATE kernel.api_keys SET revoked_at = at WHERE org = erased AND revoked_at IS NULL;
    DELETE FROM kernel.sessions WHERE org = erased;
    UPDATE kernel.memberships SET removed_at = at WHERE org = erased AND removed_at IS NULL;
    UPDATE kernel.invitations SET revoked_at = at WHERE org = erased AND revoked_at IS NULL;
    PERFORM kernel.blank_people(ARRAY(
        SELECT p.id FROM kernel.people p
        WHERE NOT p.platform
            AND EXISTS (SELECT FROM kernel.memberships m WHERE m.org = erased AND m.person = p.id)
            AND NOT EXISTS (
                SELECT FROM kernel.memberships m WHERE m.person = p.id AND m.removed_at IS NULL
            )
    ), at);
    FOR holding IN
        SELECT conrelid FROM pg_constraint
        WHERE confrelid = 'kernel.data_keys'::regclass AND contype = 'f' AND conparentid = 0
    LOOP
        EXECUTE format('DELETE FROM %s WHERE org = $1', holding) USING erased;
    END LOOP;
    DELETE FROM kernel.data_keys WHERE org = erased;
    RETURN true;
END
$$;

-- Organisations that are to be emptied: a minute after they were closed, when every gateway has read
-- that their keys ended or will read everything, and again an hour after each time.
CREATE FUNCTION kernel.list_erased(at timestamptz) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT id FROM kernel.organisations
    WHERE erased_at <= at - interval '1 minute'
        AND (emptied_at IS NULL OR emptied_at <= at - interval '1 hour')
    ORDER BY emptied_at NULLS FIRST, id
$$;

-- Deletes up to `rows_max` rows of an organisation that was closed from each table that has rows of
-- organisations, and says how many; 0: there are no more. A table that others refer to waits for
-- them. By `ctid` alone a partitioned table would find rows of other partitions: those of the same
-- organisation may go.
CREATE FUNCTION kernel.erase_rows(erased uuid, rows_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target regclass;
    deleted bigint;
    gone bigint := 0;
    waiting text;
BEGIN
    PERFORM FROM kernel.organisations WHERE id = erased AND erased_at IS NOT NULL;
    IF NOT found THEN
        RAISE EXCEPTION 'the organisation % is not erased', erased;
    END IF;
    FOR target IN
        SELECT c.oid FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org' AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relrowsecurity
            AND a.atttypid = 'uuid'::regtype
        ORDER BY c.oid DESC  -- those that refer come after those that they refer to
    LOOP
        BEGIN
            EXECUTE format(
                'DELETE FROM %1$s WHERE org = $1'
                ' AND ctid = ANY (ARRAY(SELECT ctid FROM %1$s WHERE org = $1 LIMIT $2))', target
            ) USING erased, rows_max;
            GET DIAGNOSTICS deleted = ROW_COUNT;
            gone := gone + deleted;
        EXCEPTION WHEN foreign_key_violation THEN
            waiting := sqlerrm;
        END;
    END LOOP;
    IF gone = 0 AND waiting IS NOT NULL THEN
        RAISE EXCEPTION 'the organisation % cannot be emptied: %', erased, waiting;
    END IF;
    RETURN gone;
END
$$;

CREATE FUNCTION kernel.mark_emptied(erased uuid, at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE kernel.organisations SET emptied_at = at WHERE id = erased AND erased_at IS NOT NULL
$$;

-- Deletes up to `rows_max` of each: sessions that ended, invitations whose link has not worked for 90
-- days, failures to sign in of yesterday. Says how many.
CREATE FUNCTION kernel.delete_expired(at timestamptz, rows_max integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH sessions AS (
        DELETE FROM kernel.sessions WHERE token_hash IN (
            SELECT token_hash FROM kernel.sessions WHERE expires_at <= at LIMIT rows_max
        ) RETURNING 1
    ), invitations AS (
        DELETE FROM kernel.invitations WHERE id IN (
            SELECT id FROM kernel.invitations
            WHERE expires_at <= at - interval '90 days' LIMIT rows_max
        ) RETURNING 1
    ), failures AS (
        DELETE FROM kernel.sign_in_failures WHERE subject IN (
            SELECT subject FROM kernel.sign_in_failures
            WHERE last_at <= at - interval '1 day' LIMIT rows_max FOR UPDATE SKIP LOCKED
        ) RETURNING 1
    )
    SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM invitations)
        + (SELECT count(*) FROM failures)
$$;

-- What is erased has no name to be found by, and is in the list.
CREATE OR REPLACE FUNCTION kernel.find_organisation(wanted text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT id FROM kernel.organisations WHERE lower(name) = lower(wanted) AND erased_at IS NULL
$$;
-- squawk-ignore ban-drop-function
DROP FUNCTION kernel.list_organisations();
CREATE FUNCTION kernel.list_organisations()
RETURNS TABLE (
    id uuid, name text, created_at timestamptz, time_zone text, erased_at timestamptz,
    emptied_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT id, name, created_at, time_zone, erased_at, emptied_at
    FROM kernel.organisations ORDER BY id
$$;

REVOKE ALL ON FUNCTION kernel.blank_people(uuid[], timestamptz),
    kernel.erase_person(uuid, timestamptz), kernel.erase_organisation(uuid, timestamptz),
    kernel.list_erased(timestamptz), kernel.erase_rows(uuid, integer),
    kernel.mark_emptied(uuid, timestamptz), kernel.delete_expired(timestamptz, integer),
    kernel.list_organisations() FROM public;
GRANT EXECUTE ON FUNCTION kernel.erase_person(uuid, timestamptz),
    kernel.erase_organisation(uuid, timestamptz), kernel.list_organisations() TO dd0c_app;
GRANT EXECUTE ON FUNCTION kernel.list_erased(timestamptz), kernel.erase_rows(uuid, integer),
    kernel.mark_emptied(uuid, timestamptz), kernel.delete_expired(timestamptz, integer)
    TO dd0c_jobs;
