"""The way to the vault: address, proxy, TLS, and in which state it answers."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from ciplug.doctor.finding import Finding, brief, failed, note, ok
from ciplug.net.failures import ProxyRefused, TlsRefused
from ciplug.policy.commands import bao
from ciplug.vault.inspect import health

if TYPE_CHECKING:
    from ciplug.doctor.case import Case
    from ciplug.errors import CiplugError
    from ciplug.net.failures import Failure
    from ciplug.vault.addresses import Address
    from ciplug.vault.inspect import Health

SKEW_SECONDS = 30.0
"""The vault forgives 60 s between its clock and the issuer's by default; half of that is worth a word."""


def reach(case: Case) -> tuple[list[Finding], float | None]:
    """One finding for each address, and how far the vault's clock is ahead of this machine's, where that is known.

    An address that does not answer is why a job fails only where no other one does. What follows begins with the first
    one that is sound.
    """
    looked = list(zip(case.client.addresses, health(case.client), strict=True))
    findings = [_finding(case, address, found) for address, found in looked]
    sound = [(address, found) for address, found in looked if _is_sound(found)]
    if not sound:
        return findings, None
    address, found = sound[0]
    case.client.prefer(address)
    return [_excused(finding) for finding in findings], found.skew


def _excused(finding: Finding) -> Finding:
    """A failure as a note, for where another address stands in."""
    return note(finding.check, finding.text, finding.remedy) if finding.state == "failed" else finding


def _is_sound(found: Health) -> bool:
    return found.problem is None and found.initialized and not found.sealed


def _finding(case: Case, address: Address, found: Health) -> Finding:
    if found.problem is not None:
        return _unusable(case, address, found.problem, found.failure)
    if not found.initialized:
        return failed("vault", f"{address} is not initialised", bao("operator init", f"-address={address}"))
    if found.sealed:
        return failed(
            "vault",
            f"{address} is sealed",
            f"an operator has to unseal it: {bao('operator unseal', f'-address={address}')}",
        )
    standby = ", standby" if found.standby else ""
    text = f"{address} answers: version {brief(found.version)}{standby}{_way(case, address)}"
    if found.skew is not None and abs(found.skew) > SKEW_SECONDS:
        return note(
            "vault",
            f"{text}; its clock and this machine's differ by {abs(found.skew):.0f} s",
            "set both clocks: a login fails once a token seems expired or not valid yet",
        )
    return ok("vault", text)


def _way(case: Case, address: Address) -> str:
    """How it is reached: TLS and whom it trusts, and the proxy between."""
    proxy = case.proxies.route(address.origin)
    through = f", through the proxy {proxy}" if proxy else ""
    if address.origin.scheme != "https":
        return f", without TLS{through}"
    trusted = case.tls.ca_file or case.tls.ca_path
    authorities = f"the CAs in {trusted}" if trusted else "the system's CAs"
    return f", TLS, its certificate checked with {authorities}{through}"


def _unusable(case: Case, address: Address, problem: CiplugError, failure: Failure | None) -> Finding:
    origin = address.origin
    if isinstance(failure, ProxyRefused):
        return failed("proxy", str(problem), problem.hint)
    if isinstance(failure, TlsRefused):
        show = f"openssl s_client -connect {quote(f'{origin.bracketed}:{origin.port}')} -showcerts </dev/null"
        return failed("tls", str(problem), f"{problem.hint}; to see its certificate: {show}")
    proxy = case.proxies.route(origin)
    told = f" (through the proxy {proxy})" if proxy else ""
    seen = f"to see it: curl -v {quote(f'{address}/v1/sys/health')}"
    return failed("vault", f"{problem}{told}", f"{problem.hint}; {seen}")
