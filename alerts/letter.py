"""The e-mail about a finding: text and HTML, threaded, readable without images, in the dark and on a telephone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256

from alerts.chart import DARK, LIGHT, Theme, chart_png
from alerts.letter_html import bright, colour_of, letter_html
from alerts.message import CHANGED, Listed, Message
from alerts.render.mail import mail_header
from alerts.render.text import plain
from alerts.render.unlinked import unlinked


def letter(message: Message, *, key: str, sender: Address, to: Sequence[Address], date: datetime) -> EmailMessage:
    """The mail to send. `key` (of the delivery) gives its Message-ID, the fingerprint the thread that it belongs to."""
    domain = sender.domain or "localhost"
    # The thread's first message was never sent; mail programs need only that all letters name the same one.
    thread = f"<finding-{_digest(message.thread)}@{domain}>"
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
    pictures = {name: png for name, how in _colours(message).items() if (png := chart_png(message, *how)) is not None}
    cids = {name: f"{name}-{_digest(key)}@{domain}" for name in pictures}
    mail.add_alternative(letter_html(message, cids), subtype="html", cte="quoted-printable")
    page = mail.get_payload()[1]  # type: ignore[index]  # the alternative that was just added
    assert isinstance(page, EmailMessage)
    for name, png in pictures.items():
        page.add_related(png, "image", "png", cid=f"<{cids[name]}>", disposition="inline", filename=f"{name}.png")
    return mail


def _colours(message: Message) -> dict[str, tuple[str, Theme]]:
    return {"chart": (colour_of(message), LIGHT), "chart-dark": (bright(message), DARK)}


def letter_text(message: Message) -> str:
    """The plain part."""
    lines = [_line(message.headline, 400), "", _line(message.sentence, 800), ""]
    width = max((len(label) for label, _ in message.facts), default=0)
    lines += [f"{label:<{width}}  {_line(value)}" for label, value in message.facts]
    if message.findings:
        lines += ["", "Findings"]
        lines += [f"  {_line(one.severity, 20):<8}  {_line(one.title, 160)}{_state(one)}" for one in message.findings]
        if message.count > len(message.findings):
            lines.append(f"  and {message.count - len(message.findings):,} more")
    if message.who:
        lines += ["", "Who"]
        for label, names, more in message.who:
            rest = f", and {more:,} more" if more else ""
            lines.append(f"  {label}: {', '.join(_line(name, 120) for name in names)}{rest}")
    if message.changes:
        lines += ["", CHANGED]
        lines += [f"  {_line(at)}  {_line(what, 600)}" for at, what in message.changes]
    if message.remedy:
        lines += ["", "What to do", f"  {_line(message.remedy, 1200)}"]
    if message.caveat:
        lines += ["", f"Note: {_line(message.caveat, 500)}"]
    lines += ["", f"{message.call}: {message.link}" if message.link else "", "-- ", footer(message)]
    return "\n".join(lines) + "\n"


def footer(message: Message) -> str:
    """The last line, where a reader sees whether it is from us."""
    return f"gatewatch, code {_line(message.code, 20) or 'none'}. A repeat of this message carries the same code."


def _state(one: Listed) -> str:
    return f" ({_line(one.known, 20)})" if one.known else ""


def _line(value: str, limit: int = 300) -> str:
    return unlinked(plain(value, limit))


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
