"""The vault's administrative routes, through hvac: what sets a vault up, and what looks at it from outside a job.

Nothing here is on the path of a job's secrets. hvac is loaded by the first `Admin`, not by importing this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from ciplug.errors import DeniedError
from ciplug.frozen import frozen
from ciplug.net.transport import Transport
from ciplug.values import Secret
from ciplug.vault.admin_auth import JwtAdmin
from ciplug.vault.admin_database import DatabaseAdmin
from ciplug.vault.admin_kv import KvAdmin
from ciplug.vault.admin_route import field, route
from ciplug.vault.client import VaultClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    import requests

    from ciplug.net.proxy import ProxySettings
    from ciplug.net.tls import TlsSettings


_CHANGED: Final = "check-and-set parameter"
"""What tells a check that fails from every other 400."""

_ABSENT: Final = -1
"""What stands for no version in the check-and-set of policies."""


@frozen
class StoredPolicy:
    """An ACL policy as it is stored. `version` is ``None`` where the vault counts none, as HashiCorp's does not."""

    text: str
    version: int | None = None


class Admin:
    """A vault as an administrator sees it, with `kv`, `jwt` and `database` for the areas of those names.

    `addresses` are those of one vault; the one that answered last is asked first. `tls` and `proxies` say how they are
    reached: what the process environment says of either is not used. `transport` is one to share instead, which stays
    open. An attempt takes at most `timeout` seconds; each call makes one attempt at each address, or as many as
    `patience` seconds allow, where a failure may pass and nothing can happen twice; `notify` is given one line when
    the first of them is waited for. Every verb raises what `ciplug.vault.admin_route.route` says.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        token: Secret,
        namespace: str | None = None,
        *,
        tls: TlsSettings | None = None,
        proxies: ProxySettings | None = None,
        transport: Transport | None = None,
        timeout: float = 10.0,
        patience: float | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        from ciplug.vault.admin_session import open_session

        self._shared = transport is not None
        self._transport = _transport(transport, tls, proxies, timeout)
        listed = [addresses] if isinstance(addresses, str) else addresses
        vault = VaultClient(listed, transport=self._transport, namespace=namespace or "", notify=notify)
        self._session = open_session(vault, token, seconds=timeout, patience=patience)
        self._client = _client(self._session, vault.namespace)
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
        if not self._shared:
            self._transport.close()

    def write_policy(self, name: str, hcl: str) -> None:
        """Create or replace an ACL policy (``PUT /v1/sys/policies/acl/{name}``)."""
        with route(f"PUT /v1/sys/policies/acl/{name}"):
            self._client.sys.create_or_update_acl_policy(name, hcl)

    def read_policy(self, name: str) -> StoredPolicy | None:
        """An ACL policy, ``None`` where there is none of that name (``GET /v1/sys/policies/acl/{name}``).

        ``MissingError`` where it is the namespace that is not there.
        """
        from hvac.exceptions import InvalidPath

        line = f"GET /v1/sys/policies/acl/{name}"
        with route(line):
            try:
                answer = self._client.adapter.get(f"/v1/sys/policies/acl/{quote(name, safe='')}")
            except InvalidPath as err:
                if err.errors:
                    raise
                return None
        version = field(line, answer, "data").get("version")
        return StoredPolicy(
            text=str(field(line, answer, "data", "policy")), version=version if isinstance(version, int) else None
        )

    def write_policy_if(self, name: str, hcl: str, *, seen: StoredPolicy | None) -> bool:
        """Create or replace an ACL policy if it is still as it was `seen`; whether it was written.

        ``False`` where it differs from `seen` by now, whatever it says. The route is
        ``PUT /v1/sys/policies/acl/{name}`` with check-and-set, which HashiCorp Vault does not know: what keeps the
        check there is a look just before. Where the check fails and the policy is `hcl`, it counts as written: that is
        what is there after a write that was repeated because its answer was lost.
        """
        from hvac.exceptions import InvalidRequest

        if self.read_policy(name) != seen:
            return False
        checked = _ABSENT if seen is None else seen.version
        body = {"policy": hcl} if checked is None else {"policy": hcl, "cas": checked}
        with route(f"PUT /v1/sys/policies/acl/{name}"):
            try:
                self._client.adapter.put(f"/v1/sys/policies/acl/{quote(name, safe='')}", json=body)
            except InvalidRequest as err:
                if not any(_CHANGED in text for text in err.errors or ()):
                    raise
                found = self.read_policy(name)
                return found is not None and found.text == hcl
        return True

    def policies(self) -> tuple[str, ...]:
        """The name of every ACL policy (``LIST /v1/sys/policies/acl``)."""
        line = "LIST /v1/sys/policies/acl"
        with route(line):
            answer = self._client.adapter.list("/v1/sys/policies/acl")
        return tuple(field(line, answer, "data", "keys"))

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
        line = "POST /v1/auth/token/create"
        with route(line):
            answer: Mapping[str, Any] = self._client.auth.token.create(policies=list(policies), ttl=ttl)
        return Secret(field(line, answer, "auth", "client_token"))

    def accessors(self) -> tuple[str, ...]:
        """The accessor of every live token that has one (``LIST /v1/auth/token/accessors``); batch tokens have none."""
        line = "LIST /v1/auth/token/accessors"
        with route(line):
            answer: Mapping[str, Any] = self._client.auth.token.list_accessors()
        return tuple(field(line, answer, "data", "keys"))

    def look_up_accessor(self, accessor: str) -> Mapping[str, Any]:
        """What the vault knows of the token with this accessor: ``policies``, ``meta``, ``ttl`` in seconds and more.

        ``VaultError`` for a token that is gone: the answer is then 400. The route is
        ``POST /v1/auth/token/lookup-accessor``.
        """
        line = "POST /v1/auth/token/lookup-accessor"
        with route(line):
            answer: Mapping[str, Any] = self._client.auth.token.lookup_accessor(accessor)
        data: Mapping[str, Any] = field(line, answer, "data")
        return data


def _transport(
    shared: Transport | None, tls: TlsSettings | None, proxies: ProxySettings | None, timeout: float
) -> Transport:
    if shared is None:
        return Transport(tls=tls, proxies=proxies, attempt_seconds=timeout)
    if tls or proxies:
        raise TypeError("a transport that is shared has its own tls and proxies")
    return shared


def _client(session: requests.Session, namespace: str) -> Any:
    import hvac

    from ciplug.vault.admin_session import BASE

    # NOTE: without a token; for None, hvac would look for one in the environment and in the home directory.
    return hvac.Client(url=BASE, token="", namespace=namespace or None, session=session)
