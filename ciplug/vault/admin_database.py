"""The database engine with PostgreSQL: credentials that exist only as long as their lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ciplug.vault.admin_route import route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ciplug.values import Secret

CREATE_LOGIN: Final = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
"""The statement for a role that may log in and owns nothing; the vault fills in the braces."""


class DatabaseAdmin:
    """The verbs of the database engine, on mounts given by name."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def mount(self, mount: str = "database") -> None:
        """Mount a new engine (``POST /v1/sys/mounts/{mount}``)."""
        with route(f"POST /v1/sys/mounts/{mount}"):
            self._client.sys.enable_secrets_engine("database", path=mount)

    def connect_postgresql(
        self, mount: str, connection: str, *, server: str, username: str, password: Secret, sslmode: str = "verify-full"
    ) -> None:
        """Let the engine manage roles at `server` (``host:port/database``) as `username`; it connects at once.

        The route is ``POST /v1/{mount}/config/{connection}``.
        """
        with route(f"POST /v1/{mount}/config/{connection}"):
            self._client.secrets.database.configure(
                connection,
                "postgresql-database-plugin",
                verify_connection=True,
                allowed_roles=["*"],
                mount_point=mount,
                connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@{server}?sslmode={sslmode}",
                username=username,
                password=password.reveal().decode(),
            )

    def write_role(
        self,
        mount: str,
        role: str,
        *,
        connection: str,
        creation_statements: Sequence[str] = (CREATE_LOGIN,),
        ttl: int = 3600,
        max_ttl: int = 86400,
    ) -> None:
        """Offer ``creds/{role}``: a new login per read, dropped after `ttl` seconds or with the reader's token.

        The route is ``POST /v1/{mount}/roles/{role}``.
        """
        with route(f"POST /v1/{mount}/roles/{role}"):
            self._client.secrets.database.create_role(
                role,
                connection,
                list(creation_statements),
                default_ttl=ttl,
                max_ttl=max_ttl,
                mount_point=mount,
            )
