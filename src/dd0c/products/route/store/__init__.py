"""All SQL of route: functions that take the transaction first, and return frozen values."""
