"""`gatewatch findings ack|snooze|suppress|…`: the actions, on ids or on all that fits a filter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gatewatch.cli.choose import instant, span
from gatewatch.cli.root import Command, Ui, pass_ui
from gatewatch.errors import UsageError
from gatewatch.lifecycle import Suppression
from gatewatch.records import JSON, iso
from gatewatch.verdicts import Verdict

if TYPE_CHECKING:
    from gatewatch.store.acting import Act

F = TypeVar("F", bound=Callable[..., Any])

_ID = "3f1c0e0a8f0b4c589d1e"


def _which(function: F) -> F:
    options = (
        click.argument("ids", nargs=-1, metavar="[ID]…"),
        click.option("--where", multiple=True, help="All that fit instead of ids, e.g. 'api = orders' (repeatable)."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _note(text: str) -> Callable[[F], F]:
    return click.option("--note", default="", help=text)


def register(group: click.Group) -> None:
    """Add the actions to the group."""
    for one in (
        ack,
        unack,
        snooze,
        unsnooze,
        suppress,
        unsuppress,
        resolve,
        reopen,
        assign,
        comment,
        feedback,
        suppressions,
    ):
        group.add_command(one)


def _simple(name: str, verb: str, text: str, example: str = _ID) -> click.Command:
    @click.command(name, cls=Command, examples=(f"gatewatch findings {name} {example}",), help=text)
    @_which
    @_note("Why; it stands in the finding's timeline.")
    @pass_ui
    def simple(ui: Ui, ids: tuple[str, ...], where: tuple[str, ...], note: str) -> None:
        from gatewatch.store.acting import Act, Verb

        _act(ui, ids, where, Act(Verb(verb), note))

    return simple


ack = _simple("ack", "acknowledge", "Acknowledge: somebody looks at it; nobody is told again until it gets worse.")
unack = _simple("unack", "unacknowledge", "Take an acknowledgement back.")
unsnooze = _simple("unsnooze", "unsnooze", "End a snooze now.")
unsuppress = _simple("unsuppress", "unsuppress", "End the suppression of this problem; it counts again.")
resolve = _simple("resolve", "resolve", "Resolve; it is regressed when it still goes on an hour later, or gets worse.")
reopen = _simple("reopen", "reopen", "Take a resolution back.")


@click.command(
    cls=Command,
    examples=(
        f"gatewatch findings snooze {_ID} --for 8h",
        "gatewatch findings snooze --where 'api = orders' --count 3",
    ),
)
@_which
@click.option("--for", "length", help="How long: 90m, 8h, 3d.")
@click.option("--until", help="Until when: 2026-06-10T08:00Z.")
@click.option("--count", type=click.IntRange(1, 1000), help="Until it has come back more often than this.")
@_note("Why; it stands in the finding's timeline.")
@pass_ui
def snooze(
    ui: Ui,
    ids: tuple[str, ...],
    where: tuple[str, ...],
    length: str | None,
    until: str | None,
    count: int | None,
    note: str,
) -> None:
    """Be quiet for a time, for a number of further episodes, or (without either) until it gets worse."""
    from gatewatch.store.acting import Act, Verb

    _act(ui, ids, where, Act(Verb.SNOOZE, note, _end(length, until), count))


@click.command(
    cls=Command,
    examples=(
        f"gatewatch findings suppress {_ID} --why false_positive --note 'our own scanner'",
        "gatewatch findings suppress --where 'api = load-test' --why planned --note Fridays --for 30d --preview",
    ),
)
@_which
@click.option("--why", type=click.Choice([one.value for one in Suppression]), required=True, help="The reason.")
@click.option("--note", required=True, help="The reason in words; it stands with your name beside it.")
@click.option("--for", "length", help="How long: 8h, 30d (default: until somebody ends it).")
@click.option("--until", help="Until when: 2026-12-24T08:00Z.")
@click.option("--preview", "ahead", is_flag=True, help="Only say what it would have hidden in the last 30 days.")
@pass_ui
def suppress(
    ui: Ui,
    ids: tuple[str, ...],
    where: tuple[str, ...],
    why: str,
    note: str,
    length: str | None,
    until: str | None,
    ahead: bool,
) -> None:
    """Hide this problem, or all that fits: it is in no total and in no alert, now and when it comes back."""
    from gatewatch.store.acting import Act, Verb

    if ahead:
        _preview(ui, ids, where)
        return
    _act(ui, ids, where, Act(Verb.SUPPRESS, note, _end(length, until), why=Suppression(why)))


@click.command(cls=Command, examples=(f"gatewatch findings assign {_ID} --to otto",))
@_which
@click.option("--to", default="", help="A name; without it the finding is nobody's.")
@pass_ui
def assign(ui: Ui, ids: tuple[str, ...], where: tuple[str, ...], to: str) -> None:
    """Say whose it is."""
    from gatewatch.store.acting import Act, Verb

    _act(ui, ids, where, Act(Verb.ASSIGN, assignee=to))


@click.command(cls=Command, examples=(f"gatewatch findings comment {_ID} --note 'the deploy of noon did it'",))
@_which
@click.option("--note", required=True, help="The comment.")
@pass_ui
def comment(ui: Ui, ids: tuple[str, ...], where: tuple[str, ...], note: str) -> None:
    """Write into the timeline of a finding."""
    from gatewatch.store.acting import Act, Verb

    _act(ui, ids, where, Act(Verb.COMMENT, note))


@click.command(
    cls=Command,
    examples=(
        f"gatewatch findings feedback {_ID} --false --dry-run",
        f"gatewatch findings feedback {_ID} --true --note 'it was the deploy'",
    ),
)
@click.argument("finding")
@click.option("--true", "verdict", flag_value=Verdict.TRUE_POSITIVE.value, help="It was right.")
@click.option("--false", "verdict", flag_value=Verdict.FALSE_POSITIVE.value, help="It was a false alarm.")
@click.option("--none", "verdict", flag_value="none", help="Take back what was said.")
@click.option("--dry-run", is_flag=True, help="Only say what it would change.")
@_note("Why; it stands in the finding's timeline.")
@pass_ui
def feedback(ui: Ui, finding: str, verdict: str | None, dry_run: bool, note: str) -> None:
    """Say whether a finding was right: what scores no more than a false alarm is not raised again for this problem."""
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now, operator
    from gatewatch.store.feedback import effect, give_feedback

    if verdict is None:
        raise UsageError("say --true, --false or --none")
    said = None if verdict == "none" else Verdict(verdict)
    with opened(ui.settings()) as state, state.begin() as session:
        if dry_run:
            seen = effect(session, finding, said, now())
        else:
            seen = give_feedback(session, operator(), finding, said, note.strip(), now=now())
    if seen is None:
        raise UsageError(f"no finding has the id {finding!r}")
    sys.stdout.write(
        f"required score {seen.before:g} -> {seen.after:g}; of {seen.episodes} episodes in 30 days "
        f"{len(seen.lost)} not raised any more ({len(seen.right_lost)} of them right), {len(seen.won)} raised again\n"
    )
    sys.stdout.writelines(f"- {one}\n" for one in seen.lost)
    sys.stdout.writelines(f"+ {one}\n" for one in seen.won)


@click.command(
    cls=Command,
    examples=("gatewatch findings suppressions --unused-days 30", "gatewatch findings suppressions --end 4f2a9c01b7d3"),
)
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("--unused-days", type=click.IntRange(0), help="Only those that hid nothing for so many days.")
@click.option("--end", "ended", help="End the suppression with this id.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@pass_ui
def suppressions(ui: Ui, everything: bool, unused_days: int | None, ended: str | None, form: str) -> None:
    """Print suppressions, or end one."""
    from gatewatch.cli.documents import SCHEMA_VERSION, json_text, print_table
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now, operator
    from gatewatch.cli.terminal import console
    from gatewatch.store.suppressions import end_suppression
    from gatewatch.store.suppressions import suppressions as stored

    at = now()
    with opened(ui.settings()) as state:
        if ended is not None:
            with state.begin() as session:
                released = end_suppression(session, operator(), ended, now=at)
            if released is None:
                raise UsageError(f"no suppression that is not over has the id {ended!r}")
            ui.say(f"{len(released)} findings count again")
            return
        unused = None if unused_days is None else timedelta(days=unused_days)
        with state.read() as session:
            found = stored(session, everything=everything, unused_for=unused, now=at)
    if form == "json":
        rows: list[JSON] = [one.to_json(at) for one in found]
        sys.stdout.write(json_text({"schema_version": SCHEMA_VERSION, "suppressions": rows}, pretty=True) + "\n")
    elif not found:
        sys.stdout.write("no suppressions\n")
    else:
        cells = [
            (
                one.id,
                one.why.value,
                " and ".join(one.where),
                "-" if one.expires_at is None else iso(one.expires_at),
                str(one.hits),
                one.author,
                one.note,
            )
            for one in found
        ]
        print_table(("id", "why", "where", "ends", "hits", "by", "note"), cells, console(sys.stdout, colour=ui.colour))


def _end(length: str | None, until: str | None) -> datetime | None:
    from gatewatch.cli.people import now

    if length is not None and until is not None:
        raise UsageError("--for and --until: only one of them")
    if length is None:
        return instant(until, name="--until")
    return now() + span(length)


def _act(ui: Ui, ids: tuple[str, ...], where: tuple[str, ...], wish: Act) -> None:
    """Do it, in one transaction; the ids that were changed on stdout. A refusal of one id refuses all."""
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now, operator
    from gatewatch.store.acting import act, act_on_all
    from gatewatch.where import parse_all

    if bool(ids) == bool(where):
        raise UsageError("name findings by their ids, or with --where")
    terms = parse_all(where)
    with opened(ui.settings()) as state, state.begin() as session:
        if terms:
            acted = act_on_all(session, operator(), terms, wish, now=now())
            done = acted.done
            for one in acted.refused:
                ui.warn(f"{one.finding_id}: {one.why}")
        else:
            for one_id in ids:
                if act(session, operator(), one_id, wish, now=now()) is None:
                    raise UsageError(f"no finding has the id {one_id!r}")
            done = list(ids)
    sys.stdout.writelines(f"{one}\n" for one in done)
    ui.say(f"{wish.verb.value}: {len(done)} finding{'' if len(done) == 1 else 's'}")


def _preview(ui: Ui, ids: tuple[str, ...], where: tuple[str, ...]) -> None:
    from gatewatch.cli.opened import opened
    from gatewatch.cli.people import now
    from gatewatch.store.findings import get_finding
    from gatewatch.store.suppressions import preview
    from gatewatch.where import parse_all

    with opened(ui.settings()) as state, state.read() as session:
        texts = list(where)
        if ids:
            found = [get_finding(session, one) for one in ids]
            prints = [one.finding.fingerprint for one in found if one is not None]
            if len(prints) < len(ids):
                raise UsageError("no finding has one of these ids")
            texts.append(f"fingerprint in {','.join(prints)}")
        if not texts:
            raise UsageError("name findings by their ids, or with --where")
        seen = preview(session, parse_all(texts), now())
    sys.stdout.write(
        f"since {iso(seen.since)}: {seen.findings} findings of {seen.problems} problems, {seen.open} of them open now\n"
    )
    sys.stdout.writelines(f"{one}\n" for one in seen.newest)
