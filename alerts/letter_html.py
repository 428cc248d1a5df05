"""The HTML part of the e-mail.

Mail programs drop style sheets or half of them, so each style stands inline, and layout is made of tables. The one
sheet only darkens colours where the reader's program is dark, and narrows paddings on a telephone. The chart comes with
the mail; all that it says stands in the text, too, for those who see no pictures.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

from alerts.chart import HEIGHT, WIDTH
from alerts.message import CHANGED, Message, quantity
from alerts.render.html import html_text
from alerts.render.text import plain
from alerts.render.unlinked import unlinked

_COLOURS = {"critical": "#b42318", "high": "#c2410c", "medium": "#8a5a00", "low": "#1d4ed8", "info": "#475467"}
_BRIGHT = {"critical": "#f97066", "high": "#f38744", "medium": "#e5b454", "low": "#84adff", "info": "#a9b4c0"}
_RESOLVED = "#2f7a3d"
_RESOLVED_BRIGHT = "#6ccb82"

_FONT = "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_SHEET = """
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background: #101418 !important; }
  .card { background: #1a2027 !important; border-left-color: #2c353f !important; border-right-color: #2c353f !important;
    border-bottom-color: #2c353f !important; }
  .ink { color: #f0f3f6 !important; }
  .soft { color: #a9b4c0 !important; }
  .line { border-color: #2c353f !important; }
  .box { background: #222a33 !important; }
  .sev-critical { color: #f97066 !important; } .sev-high { color: #f38744 !important; }
  .sev-medium { color: #e5b454 !important; } .sev-low { color: #84adff !important; }
  .sev-info { color: #a9b4c0 !important; }
  .by-day { display: none !important; }
  .by-night { display: block !important; max-height: none !important; }
}
@media (max-width: 480px) {
  .pad { padding-left: 18px !important; padding-right: 18px !important; }
  .gap { padding: 0 !important; }
}
"""


def colour_of(message: Message) -> str:
    """The colour of the message: of its severity, or green when it is over."""
    return _RESOLVED if message.over else _COLOURS[message.severity]


def bright(message: Message) -> str:
    """The same on a dark ground."""
    return _RESOLVED_BRIGHT if message.over else _BRIGHT[message.severity]


def letter_html(message: Message, pictures: Mapping[str, str] | None = None) -> str:
    """A whole document. pictures: content ids of the pictures `chart` and `chart-dark` that come with the mail."""
    colour = colour_of(message)
    mark = "Resolved" if message.transition == "resolved" else message.severity.upper()
    parts = [
        _row(_tags(message, colour, mark) + _title(message), "26px 30px 0"),
        _row(_sentence(message), "10px 30px 0"),
        _bars(message, colour),
        _chart(pictures or {}, message),
        _section("Findings", _findings(message)),
        _row(_facts(message), "20px 30px 0"),
        _section("Who", _who(message)),
        _section(CHANGED, _changes(message)),
        _remedy(message),
        _row(_soft(f"Note: {_text(message.caveat, 500)}"), "16px 30px 0") if message.caveat else "",
        _row(_button(message, colour), "24px 30px 0") if message.link else "",
        _row(_footer(message), "24px 30px 26px"),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        # No telephone numbers, dates or addresses turned into links.
        '<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">'
        f"<title>{_text(message.headline)}</title><style>{_SHEET}</style></head>\n"
        '<body class="page" style="margin:0;padding:0;background:#eef1f4">\n'
        '<div style="display:none;max-height:0;overflow:hidden">' + _text(message.sentence, 140) + "</div>\n"
        '<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" '
        'style="background:#eef1f4"><tr><td class="gap" align="center" style="padding:24px 12px">\n'
        '<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" '
        f'style="max-width:600px;background:#ffffff;border:1px solid #d9dfe5;border-top:4px solid {colour};'
        f'border-radius:8px;table-layout:fixed;overflow-wrap:anywhere;word-break:break-word;{_FONT}">\n'
        + "\n".join(part for part in parts if part)
        + "\n</table>\n"
        "</td></tr></table>\n</body></html>\n"
    )


def _text(value: str, limit: int = 300) -> str:
    return html.escape(unlinked(plain(value, limit)), quote=True)


def _row(content: str, padding: str) -> str:
    return f'<tr><td class="pad" style="padding:{padding}">{content}</td></tr>'


def _soft(content: str) -> str:
    return f'<div class="soft" style="font-size:13px;line-height:19px;color:#56616d">{content}</div>'


def _tags(message: Message, colour: str, mark: str) -> str:
    return (
        f'<span style="display:inline-block;background:{colour};color:#ffffff;font-size:12px;line-height:16px;'
        f'font-weight:700;letter-spacing:.04em;padding:3px 9px;border-radius:4px">{mark}</span>'
        f'<span class="soft" style="font-size:13px;line-height:22px;color:#56616d">&nbsp;&nbsp;{_text(message.news)}'
        f" &middot; {_text(message.kind)}</span>"
    )


def _title(message: Message) -> str:
    return (
        '<div class="ink" style="font-size:20px;line-height:27px;font-weight:650;color:#17202a;margin-top:12px">'
        f"{_text(message.title)}</div>"
        '<div class="soft" style="font-size:14px;line-height:20px;color:#56616d;margin-top:2px">'
        f"{' &middot; '.join(_text(part) for part in (message.scope, message.api, message.route) if part)}</div>"
    )


def _sentence(message: Message) -> str:
    if not message.sentence or message.sentence == message.title:
        return ""
    return (
        f'<div class="ink" style="font-size:15px;line-height:23px;color:#17202a">{_text(message.sentence, 800)}</div>'
    )


def _bars(message: Message, colour: str) -> str:
    """Observed and expected as two bars on one scale: a chart that needs no image."""
    observed, expected = message.observed, message.expected
    if observed is None or expected is None or min(observed, expected) < 0 or max(observed, expected) == 0:
        return ""
    most = max(observed, expected)
    rows = "".join(
        '<tr><td class="soft" width="76" style="font-size:13px;line-height:24px;color:#56616d">'
        f"{label}</td>"
        '<td style="padding:0 10px 0 0"><table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr>'
        f'<td width="{share}%" height="12" style="background:{shade};font-size:0;line-height:12px;'
        f'border-radius:3px">&nbsp;</td>'
        + (f'<td width="{100 - share}%" style="font-size:0;line-height:12px">&nbsp;</td>' if share < 100 else "")
        + '</tr></table></td><td class="ink" align="right" width="1" style="font-size:14px;line-height:24px;'
        f'color:#17202a;font-weight:600;white-space:nowrap">{quantity(value, "")}</td></tr>'
        for label, value, shade in (("Observed", observed, colour), ("Expected", expected, "#8a97a5"))
        for share in (max(1, round(100 * value / most)),)
    )
    table = f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0">{rows}</table>'
    unit = _soft(_text(message.unit, 60)) if message.unit else ""
    box = f'<div class="box" style="background:#f5f7f9;border-radius:6px;padding:10px 14px">{unit}{table}</div>'
    return _row(box, "18px 30px 0")


def _chart(pictures: Mapping[str, str], message: Message) -> str:
    """The chart, in the colours of the reader's program where it can choose."""
    if "chart" not in pictures:
        return ""
    alt = html_text(f"Chart: {plain(message.unit, 40)} before and since {message.start}")
    size = f'width="{WIDTH}" height="{HEIGHT}" alt="{alt}"'
    style = "width:100%;max-width:540px;height:auto;border:0;border-radius:6px"
    picture = f'<img class="by-day" src="cid:{pictures["chart"]}" {size} style="display:block;{style}">'
    if "chart-dark" in pictures:
        picture += (
            # Outlook knows neither the sheet nor max-height; it gets the first picture only.
            f'<!--[if !mso]><!--><img class="by-night" src="cid:{pictures["chart-dark"]}" {size} '
            f'style="display:none;max-height:0;{style}"><!--<![endif]-->'
        )
    return _row(picture, "14px 30px 0")


def _findings(message: Message) -> str:
    """Those of the group, most severe first."""
    rows = "".join(
        '<tr><td width="70" valign="top" style="padding:5px 10px 5px 0">'
        f'<span style="font-size:12px;line-height:20px;font-weight:700;color:{_COLOURS.get(one.severity, "#475467")}" '
        f'class="sev-{html_text(one.severity, 20)}">{_text(one.severity, 20)}</span></td>'
        '<td class="ink" valign="top" style="font-size:14px;line-height:20px;color:#17202a;padding:5px 0">'
        + (f'<a class="ink" href="{html_text(one.link, 2000)}" style="color:#17202a">' if one.link else "")
        + _text(one.title, 160)
        + ("</a>" if one.link else "")
        + (f' <span class="soft" style="color:#56616d">({_text(one.known, 20)})</span>' if one.known else "")
        + "</td></tr>"
        for one in message.findings
    )
    rest = message.count - len(message.findings)
    more = _soft(f"and {rest:,} more") if message.findings and rest > 0 else ""
    return (
        f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0">{rows}</table>{more}' if rows else ""
    )


def _facts(message: Message) -> str:
    shown = {"API and stage", "Route"} | ({"Observed", "Expected"} if _bars(message, "") else set())
    rows = "".join(
        f'<tr><td class="soft line" width="118" valign="top" style="font-size:13px;line-height:20px;color:#56616d;'
        f'padding:6px 10px 6px 0;border-bottom:1px solid #e6eaee">{_text(label)}</td>'
        f'<td class="ink line" valign="top" style="font-size:14px;line-height:20px;color:#17202a;padding:6px 0;'
        f'border-bottom:1px solid #e6eaee">{_text(value)}</td></tr>'
        for label, value in message.facts
        if label not in shown
    )
    return f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0">{rows}</table>'


def _section(title: str, content: str) -> str:
    if not content:
        return ""
    head = (
        '<div class="ink" style="font-size:14px;line-height:20px;font-weight:650;color:#17202a;margin-bottom:4px">'
        f"{title}</div>"
    )
    return _row(head + content, "20px 30px 0")


def _who(message: Message) -> str:
    return "".join(
        '<div class="ink" style="font-size:14px;line-height:21px;color:#17202a">'
        f'<span class="soft" style="color:#56616d">{label}:</span> '
        + ", ".join(_text(name, 120) for name in names)
        + (f" and {more:,} more" if more else "")
        + "</div>"
        for label, names, more in message.who
    )


def _changes(message: Message) -> str:
    return "".join(
        '<div class="ink" style="font-size:14px;line-height:21px;color:#17202a">'
        f'<span class="soft" style="color:#56616d">{_text(at)}</span> {_text(what, 600)}</div>'
        for at, what in message.changes
    )


def _remedy(message: Message) -> str:
    if not message.remedy:
        return ""
    content = (
        f'<div class="ink" style="font-size:14px;line-height:21px;color:#17202a">{_text(message.remedy, 1200)}</div>'
    )
    return _section("What to do", content)


def _button(message: Message, colour: str) -> str:
    return (
        f'<a href="{html_text(message.link, 2000)}" style="display:inline-block;background:{colour};color:#ffffff;'
        'font-size:15px;line-height:20px;font-weight:600;text-decoration:none;padding:11px 20px;border-radius:6px">'
        f"{message.call}</a>"
    )


def _footer(message: Message) -> str:
    code = f'<span style="font-family:monospace">{_text(message.code, 20) or "none"}</span>'
    return _soft(f"gatewatch &middot; code {code} &middot; A repeat of this message carries the same code.")
