"""The e-mail about a finding: text and HTML, threaded, readable without images, in the dark and on a telephone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256

from alerts.letter_html import letter_html
from alerts.message import Message
from alerts.render.mail import mail_header
from alerts.render.text import plain
from alerts.render.unlinked import unlinked


def letter(message: Message, *, key: str, sender: Address, to: Sequence[Address], date: datetime) -> EmailMessage:
    """The mail to send. `key` (of the delivery) gives its Message-ID, the fingerprint the thread that it belongs to."""
    domain = sender.domain or "localhost"
    # The thread's first message was never sent; mail programs need only that all letters name the same one.
    thread = f"<finding-{_digest(message.fingerprint)}@{domain}>"
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = mail_header(message.headline)
    mail["From"] = sender
    mail["To"] = tuple(to)
    mail["Date"] = date
    mail["Message-ID"] = f"<{_digest(key)}@{domain}>"
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["Importance"] = "high" if message.severity in ("high", "critical") else "normal"
    mail.set_content(letter_text(message), cte="quoted-printable")
    mail.add_alternative(letter_html(message), subtype="html", cte="quoted-printable")
    return mail


def letter_text(message: Message) -> str:
    """The plain part."""
    lines = [_line(message.headline, 400), "", _line(message.sentence, 800), ""]
    width = max((len(label) for label, _ in message.facts), default=0)
    lines += [f"{label:<{width}}  {_line(value)}" for label, value in message.facts]
    if message.who:
        lines += ["", "Who"]
        for label, names, more in message.who:
            rest = f", and {more:,} more" if more else ""
            lines.append(f"  {label}: {', '.join(_line(name, 120) for name in names)}{rest}")
    if message.changes:
        lines += ["", "Changed shortly before"]
        lines += [f"  {_line(at)}  {_line(what, 600)}" for at, what in message.changes]
    if message.remedy:
        lines += ["", "What to do", f"  {_line(message.remedy, 1200)}"]
    if message.caveat:
        lines += ["", f"Note: {_line(message.caveat, 500)}"]
    lines += ["", f"Open the finding: {message.link}" if message.link else "", "-- ", footer(message)]
    return "\n".join(lines) + "\n"


def footer(message: Message) -> str:
    """The last line, where a reader sees whether it is from us."""
    return f"gatewatch, code {_line(message.code, 20) or 'none'}. A repeat of this message carries the same code."


def _line(value: str, limit: int = 300) -> str:
    return unlinked(plain(value, limit))


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
