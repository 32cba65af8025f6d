"""What the kernel tells of keys, people, organisations, teams and sessions."""

from __future__ import annotations

from dd0c.kernel.audit.catalogue import EventType

ORGANISATION_CREATED = EventType("OrganisationCreated", "An organisation was created.")
ORGANISATION_ERASED = EventType(
    "OrganisationErased", "An organisation was closed for good, and its data keys were destroyed."
)
ORGANISATION_EMPTIED = EventType(
    "OrganisationEmptied", "Rows that an erased organisation had left were deleted."
)
TIME_ZONE_SET = EventType("TimeZoneSet", "Days and months of an organisation begin by this clock.")

KEY_CREATED = EventType("KeyCreated", "A key was made.")
KEY_CHANGED = EventType("KeyChanged", "A key got another team, models, networks or end.")
KEY_ROTATED = EventType("KeyRotated", "A key is followed by another, and ends when told.")
KEY_REVOKED = EventType("KeyRevoked", "A key was ended, and its console sessions with it.")

TEAM_CREATED = EventType("TeamCreated", "A team was made.")
TEAM_RENAMED = EventType("TeamRenamed", "A team got another name.")
TEAM_REMOVED = EventType("TeamRemoved", "A team was ended.")

INVITATION_MADE = EventType(
    "InvitationMade", "Somebody was invited; an open invitation to the same address ended."
)
INVITATION_ACCEPTED = EventType("InvitationAccepted", "Who was invited is a member now.")
INVITATION_REVOKED = EventType("InvitationRevoked", "An invitation was ended.")

MEMBER_ADDED = EventType(
    "MemberAdded", "Somebody came in through the provider of identities, by their domain."
)
MEMBER_CHANGED = EventType("MemberChanged", "A member holds these roles and belongs to this team.")
MEMBER_REMOVED = EventType(
    "MemberRemoved", "A membership was ended, with its sessions and the invitations it had open."
)
STANDING_SET = EventType(
    "StandingSet", "Whether somebody runs the installation, and whether they may sign in."
)
PERSON_ERASED = EventType("PersonErased", "All that tells who a person is was taken from them.")
PASSWORD_SET = EventType("PasswordSet", "A person signs in with another password.")
IDENTITY_SET = EventType(
    "IdentitySet", "A person signs in through the provider of identities, no longer by password."
)

SIGNED_IN = EventType("SignedIn", "A browser was given a console session.")
SIGN_IN_REFUSED = EventType("SignInRefused", "A password was wrong, or its account is disabled.")
SIGNED_OUT = EventType("SignedOut", "A browser gave up its console session.")
SESSIONS_ENDED = EventType("SessionsEnded", "Console sessions were ended before their time.")

PART_FORGOTTEN = EventType("PartForgotten", "What a process had left behind was removed.")

EVENTS = (
    *(ORGANISATION_CREATED, ORGANISATION_ERASED, ORGANISATION_EMPTIED, TIME_ZONE_SET),
    *(KEY_CREATED, KEY_CHANGED, KEY_ROTATED, KEY_REVOKED),
    *(TEAM_CREATED, TEAM_RENAMED, TEAM_REMOVED),
    *(INVITATION_MADE, INVITATION_ACCEPTED, INVITATION_REVOKED),
    *(MEMBER_ADDED, MEMBER_CHANGED, MEMBER_REMOVED, STANDING_SET, PERSON_ERASED),
    *(PASSWORD_SET, IDENTITY_SET, SIGNED_IN, SIGN_IN_REFUSED, SIGNED_OUT, SESSIONS_ENDED),
    PART_FORGOTTEN,
)
