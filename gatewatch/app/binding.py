"""May we listen there? Elsewhere than on loopback only with a login, so that nothing is open by mistake."""

from __future__ import annotations

import ssl

from gatewatch.access.breached import check_breached_file
from gatewatch.access.oidc import check_oidc
from gatewatch.app.client import networks
from gatewatch.errors import GatewatchError, UsageError
from gatewatch.settings import Settings
from gatewatch.store.state import open_state
from gatewatch.store.users import anybody

_FIRST = "create the first admin with `gatewatch users add NAME --role admin`"


def check_binding(settings: Settings) -> list[str]:
    """What is worth a warning; UsageError when the address, the proxies or the certificate will not do."""
    try:
        networks(settings.trusted_proxies)
    except ValueError as error:
        raise UsageError(f"setting 'trusted_proxies': {error}") from None
    _check_certificate(settings)
    check_oidc(settings)
    if settings.breached_passwords is not None:
        check_breached_file(settings.breached_passwords)
    login = settings.login == "on" or (settings.login == "auto" and has_users(settings))
    if not settings.loopback:
        if settings.login == "off":
            raise UsageError(f"host {settings.host!r}: with login off gatewatch listens only on loopback")
        if not has_users(settings):
            raise UsageError(
                f"host {settings.host!r}: there is no login yet, so gatewatch listens only on 127.0.0.1, ::1 or "
                f"localhost; {_FIRST}"
            )
    if settings.trusted_proxies and not login and settings.loopback:
        raise UsageError(f"setting 'trusted_proxies': a proxy would let others in, and there is no login yet; {_FIRST}")
    warnings = []
    if not settings.loopback and not settings.encrypted:
        warnings.append(
            f"host {settings.host}: connections are not encrypted; set tls_certificate and tls_key, or public_url with "
            "https behind a proxy"
        )
    if login and settings.loopback and not has_users(settings):
        warnings.append(f"nobody can log in; {_FIRST}")
    return warnings


def has_users(settings: Settings) -> bool:
    """Whether anybody could log in. Makes no store."""
    if settings.oidc_issuer is not None:
        return True
    try:
        state = open_state(settings, create=False)
    except GatewatchError:
        if settings.database_url is None and not (settings.data_dir / "state.db").exists():
            return False
        raise
    try:
        with state.read() as session:
            return anybody(session)
    finally:
        state.close()


def _check_certificate(settings: Settings) -> None:
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise UsageError("tls_certificate and tls_key belong together: set both or none")
    if settings.tls_certificate is None or settings.tls_key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"tls_certificate or tls_key cannot be used: {reason}") from None
