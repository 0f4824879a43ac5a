"""The audit log: one JSON line per login, read and end of a session; never a value."""

from ciplug.audit.context import Context, describe
from ciplug.audit.log import AuditLog

__all__ = ["AuditLog", "Context", "describe"]
