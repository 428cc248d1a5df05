"""E-mail by SMTP: STARTTLS when it is offered, TLS from the start with smtps://; a password never in the clear.

A password goes over an unencrypted connection only to this machine. Connections go only where webhooks may go, too
(alerts/destinations.py): a server on a private network must be named in `outbound_allow`.
"""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.policy import SMTP
from urllib.parse import unquote, urlsplit

import httpcore
from pydantic import Field, SecretStr

from alerts.channels import Attempt, ChannelOptions, channel, channel_kind
from alerts.destinations import DestinationRefused, checked
from alerts.letter import letter
from alerts.message import parsed_instant, read
from alerts.outbound import CONNECT_S, Deadline, deadline, is_loopback
from gatewatch.errors import ChannelError, UsageError
from gatewatch.records import JSON
from gatewatch.settings import Settings

log = logging.getLogger(__name__)

TOTAL_S = 30.0
"""Seconds for a whole delivery: mail servers let strangers wait on purpose."""


@dataclass(frozen=True, slots=True)
class Server:
    """tls: from the first byte. user and password: both or none."""

    host: str
    port: int
    tls: bool
    user: str | None = field(default=None, repr=False)
    password: SecretStr | None = field(default=None, repr=False)

    @property
    def local(self) -> bool:
        return is_loopback(f"smtp://[{self.host}]" if ":" in self.host else f"smtp://{self.host}")


class Email:
    """tls: how to check the server's certificate; by default the system's way, and not at all on this machine.

    allow: exact hosts that may be on a private network.
    """

    def __init__(
        self,
        server: Server,
        sender: Address,
        to: Sequence[Address],
        *,
        tls: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
        allow: Collection[str] = (),
    ) -> None:
        self._server = server
        self._sender = sender
        self._to = tuple(to)
        self._tls = tls
        self._total_s = total_s
        self._allow = allow

    def __repr__(self) -> str:
        return f"Email({self._server.host}:{self._server.port})"

    def send(
        self,
        payload: Mapping[str, JSON],
        *,
        idempotency_key: str,
        now: datetime | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        date = now or parsed_instant(payload.get("detected_at")) or datetime(1970, 1, 1, tzinfo=UTC)
        mail = letter(read(payload), key=idempotency_key, sender=self._sender, to=self._to, date=date)
        problem = self._deliver(mail.as_bytes())
        if attempt is not None:
            attempt.note("SMTP", mail.as_string(), "taken" if problem is None else problem.text)
        # Raised out here: inside, the library's error would hang on it as its context.
        if problem is not None:
            raise ChannelError(f"email: {problem.text}", retry=problem.retry)

    def _deliver(self, mail: bytes) -> _Problem | None:
        with deadline(self._total_s) as until:
            smtp = self._client(until)
            try:
                code, _ = smtp.connect(self._server.host, self._server.port)
                if code != 220 and not until.expired:
                    return _Problem(f"the server takes no mail now (status {code})", retry=True)
                problem = self._introduce(smtp, until)
                if problem is not None:
                    return problem
                refused = smtp.sendmail(self._sender.addr_spec, [one.addr_spec for one in self._to], mail)
                if refused:
                    log.error("some receivers of an alert were refused", extra={"refused": len(refused)})
            except DestinationRefused as error:
                return _Problem(str(error), retry=True)
            except (smtplib.SMTPException, OSError, UnicodeError) as error:
                return _problem(error, self._total_s if until.expired else None)
            finally:
                _farewell(smtp)
        return None

    def _client(self, until: Deadline) -> smtplib.SMTP:
        # Without a name smtplib looks its own up in DNS, which can take longer than all the rest.
        name = self._sender.domain or "localhost"
        smtp: smtplib.SMTP
        if self._server.tls:
            smtp = smtplib.SMTP_SSL(local_hostname=name, timeout=CONNECT_S, context=self._context())
        else:
            smtp = smtplib.SMTP(local_hostname=name, timeout=CONNECT_S)
        smtp._host = self._server.host  # type: ignore[attr-defined]  # the name that certificates are checked against
        connected = smtp._get_socket  # type: ignore[attr-defined]  # the only place before the greeting is read

        def watched(host: str, port: int, timeout: float) -> socket.socket:
            sock = self._connected(connected, host, port, timeout)
            sock.settimeout(self._total_s)
            until.watch(sock)
            return sock

        smtp._get_socket = watched  # type: ignore[attr-defined]
        return smtp

    def _connected(
        self, connect: Callable[[str, int, float], socket.socket], host: str, port: int, timeout: float
    ) -> socket.socket:
        """A socket to the first checked address of the host that answers."""
        last: OSError | None = None
        try:
            for address in checked(host, port, timeout, self._allow):
                try:
                    return connect(address, port, timeout)
                except ssl.SSLError:
                    raise
                except OSError as error:
                    last = error
        except httpcore.NetworkError as error:  # the look-up
            last = OSError(str(error))
        except httpcore.TimeoutException as error:
            last = TimeoutError(str(error))
        raise last or OSError("the host has no address")

    def _introduce(self, smtp: smtplib.SMTP, until: Deadline) -> _Problem | None:
        """EHLO, STARTTLS, login."""
        smtp.ehlo_or_helo_if_needed()
        if not self._server.tls and smtp.has_extn("starttls"):
            smtp.starttls(context=self._context())
            until.watch(smtp.sock)
            smtp.ehlo_or_helo_if_needed()
        if self._server.user is not None and self._server.password is not None:
            if not (isinstance(smtp.sock, ssl.SSLSocket) or self._server.local):
                return _Problem("the server offers no STARTTLS, so it is not given the password", retry=False)
            smtp.login(self._server.user, self._server.password.get_secret_value())
        return None

    def _context(self) -> ssl.SSLContext:
        if self._tls is not None:
            return self._tls
        context = ssl.create_default_context()
        if self._server.local:  # mail servers of a machine sign their own certificates; nobody sits between
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _farewell(smtp: smtplib.SMTP) -> None:
    """Once the server has taken the mail, a bad farewell must not make us send it again."""
    try:
        if smtp.sock is not None:
            smtp.sock.settimeout(2.0)
            smtp.quit()
    except (smtplib.SMTPException, OSError):
        pass
    finally:
        smtp.close()


@dataclass(frozen=True, slots=True)
class _Problem:
    text: str
    retry: bool


def _problem(error: Exception, expired_s: float | None) -> _Problem:
    """Only the code of a reply is told: its text may repeat what was sent, the password too."""
    if expired_s is not None:
        return _Problem(f"not delivered within {expired_s:g} s", retry=True)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = sorted({code for code, _ in error.recipients.values()})
        said = ", ".join(map(str, codes))
        return _Problem(f"all receivers were refused (status {said})", retry=any(code < 500 for code in codes))
    if isinstance(error, smtplib.SMTPResponseException):
        what = "login refused" if isinstance(error, smtplib.SMTPAuthenticationError) else "refused"
        return _Problem(f"{what} (status {error.smtp_code})", retry=not 500 <= error.smtp_code < 600)
    if isinstance(error, smtplib.SMTPNotSupportedError | UnicodeError):
        return _Problem("the server does not support what is needed (login, or names beyond ASCII)", retry=False)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _Problem(f"the server's certificate is not trusted ({error.verify_message})", retry=True)
    return _Problem(f"the connection failed ({type(error).__name__})", retry=True)


def server_of(url: SecretStr) -> Server:
    """The server in `smtp://[user:password@]host[:port]` or `smtps://…`; UsageError, without the address, if it is bad.

    Without a port: 465 for smtps, 587 with a password, 25 else. User and password may be percent-encoded.
    """
    server = _parsed(url.get_secret_value())
    if server is None:
        raise UsageError("setting 'smtp_url': must be smtp://[user:password@]host[:port], or smtps://")
    return server


def _parsed(url: str) -> Server | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if (
        parts.scheme not in ("smtp", "smtps")
        or not host
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
    ):
        return None
    tls = parts.scheme == "smtps"
    if (parts.username is None) != (parts.password is None):
        return None
    if parts.username is None or parts.password is None:
        return Server(host, port or (465 if tls else 25), tls)
    return Server(host, port or (465 if tls else 587), tls, unquote(parts.username), SecretStr(unquote(parts.password)))


def address_of(text: str, setting: str) -> Address:
    """`name@host` or `Name <name@host>`; UsageError when it is neither, or several."""
    address = _address(text)
    if address is None:
        raise UsageError(f"setting {setting!r}: not one e-mail address")
    return address


def _address(text: str) -> Address | None:
    if not text.isprintable():
        return None
    try:
        header = SMTP.header_factory("To", text)
    except (HeaderParseError, ValueError, IndexError):
        return None
    addresses = header.addresses
    if len(addresses) != 1 or header.defects:
        return None
    [address] = addresses
    good = address.username and address.domain and address.addr_spec.isascii() and " " not in address.addr_spec
    return address if good else None


@channel("email")
def email(settings: Settings) -> Email | None:
    """The channel when `smtp_url` is set; then `email_to` must name somebody."""
    if settings.smtp_url is None:
        return None
    if not settings.email_to:
        raise UsageError("setting 'email_to': names nobody, but smtp_url is set")
    return Email(
        server_of(settings.smtp_url),
        address_of(settings.email_from, "email_from"),
        [address_of(one, "email_to") for one in settings.email_to],
        allow=settings.outbound_allow,
    )


class EmailOptions(ChannelOptions):
    to: tuple[str, ...] = Field(min_length=1)
    sender: str | None = Field(default=None, description="default: the setting email_from")
    smtp_url: SecretStr | None = Field(default=None, description="default: the setting smtp_url")


@channel_kind("email", EmailOptions)
def email_to(options: EmailOptions, settings: Settings) -> Email:
    url = options.smtp_url or settings.smtp_url
    if url is None:
        raise UsageError("smtp_url: name a server here or in the settings")
    sender = address_of(options.sender or settings.email_from, "sender")
    to = [address_of(one, "to") for one in options.to]
    return Email(server_of(url), sender, to, allow=settings.outbound_allow)
