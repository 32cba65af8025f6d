"""Signing in as a person: with a password, or through the provider of identities (K-21).

Whoever fails learns one thing: that it failed. Whether the address is known, the password wrong,
the account disabled or the attempt one too many is answered in the same words, after the same work.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from dd0c.base import ids
from dd0c.base.errors import Conflict, Forbidden, InvalidInput, Unauthenticated
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import outbox
from dd0c.kernel.audit.catalogue import EventType
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.auth import events, invitations, lockout, members, organisations, people
from dd0c.kernel.auth.invitations import Invitation
from dd0c.kernel.auth.passwords import Passwords
from dd0c.kernel.auth.people import Account, Place
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Role
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.plans import quotas
from dd0c.kernel.plans.catalogue import Plan, Quota

NOBODY = "nobody"
"""Who did what no key and no person did that we know."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody typed, and where they are."""

    email: str
    password: Secret
    address: str


@dataclass(frozen=True, slots=True)
class Identity:
    """What a provider of identities proved. `email` is one that it has verified, or None."""

    issuer: str
    subject: str
    email: str | None
    name: str


async def with_password(
    pool: Pool, pepper: Pepper, verifier: Passwords, attempt: Attempt, now: datetime
) -> Account:
    """Whose address and password they are; Unauthenticated."""
    email = attempt.email.strip().lower()[: people.EMAIL_LENGTH_MAX]
    counted = lockout.subjects(pepper, email, attempt.address)
    async with tenancy.system(pool) as tx:
        may_try = await lockout.take(tx, counted, now)
        account = await people.find_by_email(tx, email)
    right = await verifier.verify(attempt.password, account.password if account else None)
    if not (may_try and right and account is not None and account.disabled_at is None):
        if may_try:  # what nobody counts any more, a stranger could fill the log with
            await _tell_refused(pool, account)
        raise Unauthenticated(
            "the e-mail address or the password is not right, or there were too many attempts:"
            " after five each one waits longer, a quarter of an hour at most"
        )
    async with tenancy.system(pool) as tx:
        await lockout.forgive(tx, counted)
    return account


async def list_places(pool: Pool, account: Account) -> list[Place]:
    """Where somebody may go on to, one at least; Unauthenticated."""
    async with tenancy.system(pool) as tx:
        places = await people.list_places(tx, account.id)
    if not places:
        raise Unauthenticated("you belong to no organisation any more: ask to be invited again")
    return places


async def accept(
    pool: Pool,
    invitation: Invitation,
    name: str,
    password: str,
    now: datetime,
    *,
    plan: Plan,
) -> uuid.UUID:
    """The person of a new account (`password`: as it was hashed), who is a member now; Conflict
    when the address has an account already. `plan`: of those who have none of their own."""
    async with tenancy.tenant(pool, invitation.org) as tx:
        used = await invitations.use(tx, invitation.id, now)
        if await people.find_by_email(tx, used.email) is not None:
            raise Conflict("this address has an account already")
        person = await people.add(tx, used.email, name, password)
        await members.take_place(tx, person, plan)
        await members.join(tx, used.org, person, used.roles, used.created_by, team=used.team_id)
        await _tell_accepted(tx, used, person)
    return person


async def join(
    pool: Pool, invitation: Invitation, account: Account, now: datetime, *, plan: Plan
) -> None:
    """Somebody who showed that the account is theirs takes up the invitation to its address."""
    if account.email != invitation.email:
        raise Forbidden(f"this invitation is to {invitation.email}, not to {account.email}")
    async with tenancy.tenant(pool, invitation.org) as tx:
        used = await invitations.use(tx, invitation.id, now)
        await members.take_place(tx, account.id, plan)
        await members.join(tx, used.org, account.id, used.roles, used.created_by, team=used.team_id)
        await _tell_accepted(tx, used, account.id)


async def with_identity(
    pool: Pool,
    identity: Identity,
    invitation: Invitation | None,
    domains: frozenset[str],
    now: datetime,
    *,
    plan: Plan,
) -> Account:
    """Whose identity that is. Its subject is known; or its verified address has an account, which
    is theirs from now on; or that was invited; or its domain may come in. Else Forbidden."""
    async with tenancy.system(pool) as tx:
        account = await people.find_by_identity(tx, identity.issuer, identity.subject)
        if account is None and identity.email is not None:
            account = await people.find_by_email(tx, identity.email)
            if account is not None and account.issuer == identity.issuer:
                raise Forbidden("this address belongs to another identity of the provider")
            if account is not None:
                await people.set_identity(tx, account.id, identity.issuer, identity.subject)
                await _tell(tx, None, events.IDENTITY_SET, account.id)
    if account is None:
        account = await _enter(pool, identity, invitation, domains, plan)
    if account.disabled_at is not None:
        raise Forbidden("this account is disabled")
    if invitation is not None:
        await join(pool, invitation, account, now, plan=plan)
    return account


async def _enter(
    pool: Pool,
    identity: Identity,
    invitation: Invitation | None,
    domains: frozenset[str],
    plan: Plan,
) -> Account:
    """A new account for an identity that may have one; Forbidden."""
    email = identity.email
    if email is None:
        raise Forbidden("the provider has not verified your e-mail address")
    invited = invitation is not None and invitation.email == email
    by_domain = email.rpartition("@")[2] in domains
    if not invited and not by_domain:
        raise Forbidden(f"nobody here invited {email}", hint="ask for an invitation")
    async with tenancy.system(pool) as tx:
        first = await organisations.get(tx, organisations.FIRST)
    if not invited:
        async with tenancy.tenant(pool, first) as tx:  # no account for who would not get in
            await quotas.take(tx, Quota.PEOPLE, plan)
    async with tenancy.system(pool) as tx:
        person = await people.add(tx, email, identity.name, None)
        await people.set_identity(tx, person, identity.issuer, identity.subject)
        await _tell(tx, None, events.IDENTITY_SET, person)
        account = await people.find_by_id(tx, person)
    assert account is not None
    if not invited:
        async with tenancy.tenant(pool, first) as tx:
            await members.take_place(tx, person, plan)
            await members.join(tx, first, person, [Role.VIEWER], person)
            await _tell(tx, first, events.MEMBER_ADDED, person)
    return account


async def _tell_refused(pool: Pool, account: Account | None) -> None:
    """Whose address it was, where it is somebody's; never what was typed."""
    whose = NOBODY if account is None else ids.text(ids.Kind.PERSON, account.id)
    async with tenancy.system(pool) as tx:
        await outbox.record(tx, None, Event(events.SIGN_IN_REFUSED.name, NOBODY, whose))


async def _tell_accepted(tx: Transaction, used: Invitation, person: uuid.UUID) -> None:
    who, what = ids.text(ids.Kind.PERSON, person), ids.text(ids.Kind.INVITATION, used.id)
    event = Event(events.INVITATION_ACCEPTED.name, who, what, {"roles": used.roles})
    await outbox.record(tx, used.org, event)


async def _tell(tx: Transaction, org: uuid.UUID | None, what: EventType, person: uuid.UUID) -> None:
    """A person did this to themselves."""
    who = ids.text(ids.Kind.PERSON, person)
    await outbox.record(tx, org, Event(what.name, who, who))


def read_name(text: str) -> str:
    """A person's name as it is kept; InvalidInput."""
    name = " ".join(text.split())
    if not name or len(name) > 64 or not name.isprintable():
        raise InvalidInput("a name has 1 to 64 characters that can be printed")
    return name
