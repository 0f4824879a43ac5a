"""The vault's administrative routes, through hvac: what sets a vault up, and what looks at it from outside a job.

Nothing here is on the path of a job's secrets. hvac is loaded by the first `Admin`, not by importing this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ciplug.errors import DeniedError
from ciplug.values import Secret
from ciplug.vault.admin_auth import JwtAdmin
from ciplug.vault.admin_database import DatabaseAdmin
from ciplug.vault.admin_kv import KvAdmin
from ciplug.vault.admin_route import route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType


class Admin:
    """A vault as an administrator sees it, with `kv`, `jwt` and `database` for the areas of those names.

    `ca_file` holds the PEM certificates to trust instead of the system's; `timeout` is in seconds, for each call.
    Proxies and trust stores that the process environment names are not used. Every verb raises what
    `ciplug.vault.admin_route.route` says.
    """

    def __init__(
        self,
        address: str,
        token: Secret,
        namespace: str | None = None,
        *,
        ca_file: Path | None = None,
        timeout: float = 10.0,
    ) -> None:
        import hvac
        import requests

        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = True if ca_file is None else str(ca_file)
        self._client: Any = hvac.Client(
            url=address,
            token=token.reveal().decode(),
            namespace=namespace,
            timeout=timeout,
            session=self._session,
        )
        self.kv = KvAdmin(self._client)
        self.jwt = JwtAdmin(self._client)
        self.database = DatabaseAdmin(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the vault. The token is the caller's and stays valid."""
        self._session.close()

    def write_policy(self, name: str, hcl: str) -> None:
        """Create or replace an ACL policy (``PUT /v1/sys/policies/acl/{name}``)."""
        with route(f"PUT /v1/sys/policies/acl/{name}"):
            self._client.sys.create_or_update_acl_policy(name, hcl)

    def create_namespace(self, path: str) -> None:
        """Create a namespace below this one (``POST /v1/sys/namespaces/{path}``)."""
        with route(f"POST /v1/sys/namespaces/{path}"):
            self._client.sys.create_namespace(path)

    def limit_rate(
        self, name: str, *, path: str, rate: float, interval: str = "1s", block_interval: str | None = None
    ) -> None:
        """Allow `rate` requests per `interval` and client on `path`; more get 429.

        The route is ``POST /v1/sys/quotas/rate-limit/{name}``.
        """
        with route(f"POST /v1/sys/quotas/rate-limit/{name}"):
            self._client.sys.create_or_update_quota(
                name, rate, path=path, interval=interval, block_interval=block_interval
            )

    def seal(self) -> None:
        """Seal the vault: every later request gets 503 (``PUT /v1/sys/seal``)."""
        with route("PUT /v1/sys/seal"):
            self._client.sys.seal()

    def unseal(self, key: Secret) -> None:
        """Hand in one share of the unseal key (``PUT /v1/sys/unseal``)."""
        with route("PUT /v1/sys/unseal"):
            self._client.sys.submit_unseal_key(key.reveal().decode())

    def token_is_alive(self, token: Secret) -> bool:
        """Whether the vault still knows `token`, without spending one of its uses (``POST /v1/auth/token/lookup``).

        NOTE: the vault answers 403 for an unknown token and for an administrator who may not look one up.
        """
        try:
            with route("POST /v1/auth/token/lookup"):
                self._client.auth.token.lookup(token.reveal().decode())
        except DeniedError:
            return False
        return True

    def create_token(self, *, policies: Sequence[str], ttl: str = "5m") -> Secret:
        """A new service token with these policies, as a person would get one (``POST /v1/auth/token/create``)."""
        with route("POST /v1/auth/token/create"):
            answer: Mapping[str, Any] = self._client.auth.token.create(policies=list(policies), ttl=ttl)
        return Secret(answer["auth"]["client_token"])

    def accessors(self) -> tuple[str, ...]:
        """The accessor of every live token that has one (``LIST /v1/auth/token/accessors``); batch tokens have none."""
        with route("LIST /v1/auth/token/accessors"):
            answer: Mapping[str, Any] = self._client.auth.token.list_accessors()
        return tuple(answer["data"]["keys"])

    def look_up_accessor(self, accessor: str) -> Mapping[str, Any]:
        """What the vault knows of the token with this accessor: ``policies``, ``meta``, ``ttl`` in seconds and more.

        ``VaultError`` for a token that is gone: the answer is then 400. The route is
        ``POST /v1/auth/token/lookup-accessor``.
        """
        with route("POST /v1/auth/token/lookup-accessor"):
            answer: Mapping[str, Any] = self._client.auth.token.lookup_accessor(accessor)
        data: Mapping[str, Any] = answer["data"]
        return data
