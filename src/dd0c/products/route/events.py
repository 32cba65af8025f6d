"""What route tells the audit log. Requests are not in it: the ledger has those."""

from __future__ import annotations

from dd0c.kernel.audit.catalogue import EventType

BUDGET_SET = EventType("BudgetSet", "So much may be spent, in place of what held before.")
BUDGET_REMOVED = EventType("BudgetRemoved", "A budget was ended.")
LIMIT_SET = EventType("LimitSet", "So much may be asked for, in place of what held before.")
LIMIT_REMOVED = EventType("LimitRemoved", "A limit was ended.")

PROVIDER_SET = EventType("ProviderSet", "A provider got this address, or another secret.")
PROVIDER_DISABLED = EventType("ProviderDisabled", "A simulated provider was switched off.")

PRICES_OVERRIDDEN = EventType("PricesOverridden", "Prices hold in place of the list's.")
PRICE_OVERRIDE_ENDED = EventType("PriceOverrideEnded", "A price of one's own was given an end.")
PRICE_OVERRIDE_REMOVED = EventType("PriceOverrideRemoved", "A price of one's own never held.")
HISTORY_RERATED = EventType("HistoryRerated", "Attempts were billed anew, under today's prices.")

DISCONNECT_POLICY_SET = EventType(
    "DisconnectPolicySet", "What becomes of an answer whose caller left."
)
STORE_POLICY_SET = EventType(
    "StorePolicySet", "What becomes of requests that cannot be checked, or recorded."
)
RETENTION_SET = EventType("RetentionSet", "Requests are kept for so long.")
EXPIRED_REQUESTS_DELETED = EventType(
    "ExpiredRequestsDeleted", "Attempts older than their organisation keeps them were deleted."
)

EXPORT_RECONCILED = EventType(
    "ExportReconciled", "A provider's export was kept, and brought attempts their cost."
)
REQUESTS_EXPORTED = EventType("RequestsExported", "Requests were read as a file.")

END_USER_ERASED = EventType("EndUserErased", "An end user is to be taken out of requests.")
END_USERS_BLANKED = EventType("EndUsersBlanked", "End users were taken out of attempts.")

EVENTS = (
    *(BUDGET_SET, BUDGET_REMOVED, LIMIT_SET, LIMIT_REMOVED, PROVIDER_SET, PROVIDER_DISABLED),
    *(PRICES_OVERRIDDEN, PRICE_OVERRIDE_ENDED, PRICE_OVERRIDE_REMOVED, HISTORY_RERATED),
    *(DISCONNECT_POLICY_SET, STORE_POLICY_SET, RETENTION_SET, EXPIRED_REQUESTS_DELETED),
    *(EXPORT_RECONCILED, REQUESTS_EXPORTED, END_USER_ERASED, END_USERS_BLANKED),
)
