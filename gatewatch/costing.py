"""What AWS calls will cost: an estimate from what there is, and a forecast from what was spent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gatewatch.errors import GatewatchError
from gatewatch.polling import EVERY
from gatewatch.store.spending import Spent
from ingest.aws.estimate import MONTH, Estimate, There, estimate
from ingest.aws.metrics import listed_series
from ingest.aws.reading import Reader
from ingest.aws.session import Aws
from ingest.aws.spending import on_behalf_of


@dataclass(frozen=True, slots=True)
class Estimated:
    """unknown: why something had to be assumed, a line for each region."""

    parts: tuple[Estimate, ...]
    unknown: tuple[str, ...]

    @property
    def dollars(self) -> float:
        """A month."""
        return sum(one.dollars for one in self.parts)


def estimated(aws: Aws, sources: Sequence[str]) -> Estimated:
    """Look at what there is with a few calls, and say what the sources will cost a month. Nothing is raised."""
    unknown = []
    there: dict[str, There] = {}
    try:
        regions = aws.regions
    except GatewatchError as error:
        return Estimated((), (str(error),))
    for region in regions:
        try:
            with on_behalf_of("inventory"):
                there[region] = _there(Reader(aws, region), metrics="metrics" in sources)
        except GatewatchError as error:
            unknown.append(str(error))
            there[region] = There()
    return Estimated(tuple(estimate(sources, EVERY, there)), tuple(unknown))


def _there(reader: Reader, *, metrics: bool) -> There:
    rest = len(reader.listed("apigateway", "get_rest_apis", "items", "position", limit=500))
    other = len(reader.listed("apigatewayv2", "get_apis", "Items", "NextToken", MaxResults="500"))
    series: tuple[tuple[str, str], ...] | None = None
    if metrics:
        with on_behalf_of("metrics"):
            series = tuple((str(one["namespace"]), str(one["metric"])) for one in listed_series(reader, frozenset()))
    return There(rest, other, rest + other, series)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of a month, as it goes on. days: whole days that it rests on; 0: only today."""

    account: str
    source: str
    calls: int
    nanos: int
    days: int

    @property
    def dollars(self) -> float:
        return self.nanos / 1e9


def forecast(spent: Sequence[Spent], today: date, share_of_today: float) -> list[Forecast]:
    """By account and source, from the whole days; from today alone (share_of_today of it is over) on the first day."""
    whole = sorted({one.day for one in spent if one.day < today})
    chosen = [one for one in spent if not whole or one.day < today]
    # Days without a call in between count: the first and the last say how many there were.
    days = (today - whole[0]).days if whole else max(share_of_today, 1 / 1440)
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in chosen:
        sums[one.account, one.source][0] += one.calls
        sums[one.account, one.source][1] += one.nanos
    times = MONTH.days / days
    return [
        Forecast(account, source, round(calls * times), round(nanos * times), len(whole))
        for (account, source), (calls, nanos) in sorted(sums.items())
    ]
