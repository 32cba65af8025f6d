-- People: who they are, which organisations they belong to, who was invited, who failed to sign in
-- (K-10, K-21).
--
-- A person is of the installation, with one e-mail address; a membership ties one to an organisation.
-- So `people` has no tenant: an organisation sees those who are or were its members, without what
-- they sign in with, and changes none of them. What happens above tenants goes through the functions
-- at the end. A membership that was removed keeps its row, so that what somebody did has a name.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE kernel.people (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) <= 254),
    name text NOT NULL CHECK (name <> '' AND length(name) <= 64),
    password text,                           -- argon2id with its parameters; null: none
    issuer text,                             -- OpenID Connect: who says so,
    subject text,                            -- and who they say it is
    platform boolean NOT NULL DEFAULT false, -- holds the role `platform` wherever they work
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    UNIQUE (issuer, subject),
    CHECK ((issuer IS NULL) = (subject IS NULL))
);

CREATE TABLE kernel.memberships (
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    person uuid NOT NULL REFERENCES kernel.people (id),
    roles text[] NOT NULL,
    team uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL,                -- the key or person that invited; their own when by domain
    removed_at timestamptz,
    PRIMARY KEY (org, person),
    FOREIGN KEY (org, team) REFERENCES kernel.teams (org, id)
);

CREATE INDEX memberships_by_person ON kernel.memberships (person);

CREATE TABLE kernel.invitations (
    id uuid PRIMARY KEY,
    org uuid NOT NULL REFERENCES kernel.organisations (id),
    email text NOT NULL,
    roles text[] NOT NULL,
    team uuid,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL,                -- a key or a person
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    FOREIGN KEY (org, team) REFERENCES kernel.teams (org, id)
);

CREATE INDEX invitations_newest ON kernel.invitations (org, id);

-- Counted before it is known who asks and for which tenant: subjects are keyed hashes of an e-mail
-- address, whether somebody has it or not, and of a network address.
CREATE TABLE kernel.sign_in_failures (
    subject bytea PRIMARY KEY CHECK (length(subject) = 32),
    failures integer NOT NULL,
    last_at timestamptz NOT NULL,
    locked_until timestamptz
);

CREATE INDEX sign_in_failures_oldest ON kernel.sign_in_failures (last_at);

-- A session is a key's or a person's.
-- An older dd0c that serves on finds each session by a function, of keys as before.
-- squawk-ignore ban-drop-not-null
ALTER TABLE kernel.sessions ALTER COLUMN key_id DROP NOT NULL;
ALTER TABLE kernel.sessions ADD COLUMN person uuid;
ALTER TABLE kernel.sessions ADD CONSTRAINT sessions_member
    FOREIGN KEY (org, person) REFERENCES kernel.memberships (org, person) NOT VALID;
ALTER TABLE kernel.sessions ADD CONSTRAINT sessions_whose
    CHECK (num_nonnulls(key_id, person) = 1) NOT VALID;
-- There are no more sessions than people who are signed in: nothing here takes long.
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE kernel.sessions VALIDATE CONSTRAINT sessions_member;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE kernel.sessions VALIDATE CONSTRAINT sessions_whose;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX sessions_by_person ON kernel.sessions (person) WHERE person IS NOT NULL;

ALTER TABLE kernel.people ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.memberships ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE kernel.invitations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON kernel.memberships TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
CREATE POLICY tenant ON kernel.invitations TO dd0c_app
    USING (org = nullif(current_setting('dd0c.org', true), '')::uuid);
-- The memberships that it looks into are the tenant's by their own policy.
CREATE POLICY members ON kernel.people FOR SELECT TO dd0c_app
    USING (id IN (SELECT person FROM kernel.memberships));

CREATE POLICY owner ON kernel.people TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.memberships TO dd0c_owner USING (true) WITH CHECK (true);
CREATE POLICY owner ON kernel.invitations TO dd0c_owner USING (true) WITH CHECK (true);

GRANT SELECT (id, email, name, issuer, platform, created_at, disabled_at) ON kernel.people
TO dd0c_app;
GRANT SELECT, INSERT, UPDATE ON kernel.memberships, kernel.invitations TO dd0c_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON kernel.sign_in_failures TO dd0c_app;

-- It returns more columns, and is made again in the same transaction.
-- squawk-ignore ban-drop-function
DROP FUNCTION kernel.authenticate_session(bytea);
CREATE FUNCTION kernel.authenticate_session(session_hash bytea)
RETURNS TABLE (
    org uuid, org_name text, key_id uuid, key_name text, person uuid, person_name text,
    roles text[], scopes text[], expires_at timestamptz, revoked_at timestamptz, networks text[],
    session_expires_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.id, o.name, k.id, k.name, p.id, p.name,
        CASE WHEN p.platform THEN m.roles || '{platform}' ELSE coalesce(k.roles, m.roles) END,
        coalesce(k.scopes, '{console}'),
        k.expires_at,
        coalesce(k.revoked_at, m.removed_at, p.disabled_at),
        k.networks::text[],
        s.expires_at
    FROM kernel.sessions s
    JOIN kernel.organisations o ON o.id = s.org
    LEFT JOIN kernel.api_keys k ON k.id = s.key_id
    LEFT JOIN kernel.memberships m ON m.org = s.org AND m.person = s.person
    LEFT JOIN kernel.people p ON p.id = m.person
    WHERE s.token_hash = session_hash
$$;

CREATE FUNCTION kernel.find_person(
    wanted uuid, wanted_email text, wanted_issuer text, wanted_subject text
)
RETURNS TABLE (
    id uuid, email text, name text, password text, issuer text, subject text, disabled_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.id, p.email, p.name, p.password, p.issuer, p.subject, p.disabled_at
    FROM kernel.people p
    WHERE p.id = wanted OR p.email = wanted_email
        OR (p.issuer = wanted_issuer AND p.subject = wanted_subject)
$$;

CREATE FUNCTION kernel.add_person(new_id uuid, new_email text, new_name text, new_password text)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO kernel.people (id, email, name, password)
    VALUES (new_id, new_email, new_name, new_password)
$$;

CREATE FUNCTION kernel.set_password(whose uuid, new_password text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ UPDATE kernel.people SET password = new_password WHERE id = whose $$;

-- Whoever proves the address owns the account: a password that somebody set before ends.
CREATE FUNCTION kernel.set_identity(whose uuid, new_issuer text, new_subject text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE kernel.people SET issuer = new_issuer, subject = new_subject, password = NULL
    WHERE id = whose
$$;

CREATE FUNCTION kernel.set_standing(whose uuid, is_platform boolean, disabled timestamptz)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE kernel.people SET platform = is_platform, disabled_at = disabled WHERE id = whose
$$;

CREATE FUNCTION kernel.list_memberships(whose uuid) RETURNS TABLE (org uuid, org_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.id, o.name
    FROM kernel.memberships m JOIN kernel.organisations o ON o.id = m.org
    WHERE m.person = whose AND m.removed_at IS NULL ORDER BY lower(o.name)
$$;

CREATE FUNCTION kernel.end_sessions(whose uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH ended AS (DELETE FROM kernel.sessions WHERE person = whose RETURNING 1)
    SELECT count(*) FROM ended
$$;

CREATE FUNCTION kernel.find_invitation(invitation_hash bytea)
RETURNS TABLE (id uuid, org uuid, org_name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT i.id, i.org, o.name
    FROM kernel.invitations i JOIN kernel.organisations o ON o.id = i.org
    WHERE i.token_hash = invitation_hash
$$;

REVOKE ALL ON FUNCTION kernel.authenticate_session(bytea),
    kernel.find_person(uuid, text, text, text), kernel.add_person(uuid, text, text, text),
    kernel.set_password(uuid, text), kernel.set_identity(uuid, text, text),
    kernel.set_standing(uuid, boolean, timestamptz), kernel.list_memberships(uuid),
    kernel.end_sessions(uuid), kernel.find_invitation(bytea) FROM public;
GRANT EXECUTE ON FUNCTION kernel.authenticate_session(bytea),
    kernel.find_person(uuid, text, text, text), kernel.add_person(uuid, text, text, text),
    kernel.set_password(uuid, text), kernel.set_identity(uuid, text, text),
    kernel.set_standing(uuid, boolean, timestamptz), kernel.list_memberships(uuid),
    kernel.end_sessions(uuid), kernel.find_invitation(bytea) TO dd0c_app;
