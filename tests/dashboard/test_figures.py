from __future__ import annotations

import dataclasses
import json
import math
from datetime import timedelta
from urllib.parse import unquote
from xml.etree import ElementTree

from dashboard.figures import above, band_figure, band_sentence, spark_sentence, sparkline, strip, template
from gatewatch.records import Evidence, Finding, Point
from tests.dashboard.plotting import checked
from tests.dashboard.world import END, HOSTILE, findings
from tests.store.builders import a_finding


def svg(uri: str) -> ElementTree.Element:
    head, body = uri.split(",", 1)
    assert head == "data:image/svg+xml"
    return ElementTree.fromstring(unquote(body))


def test_a_sparkline_lifts_the_pen_over_gaps() -> None:
    (path,) = svg(sparkline([1, 2, math.nan, 3, math.nan, 4, 5]))
    assert path.get("d", "").count("M") == 3
    assert "h1" in path.get("d", "")
    assert "nan" not in path.get("d", "")


def test_a_sparkline_of_nothing_is_still_a_picture() -> None:
    for values in ([], [math.nan], [0.0, 0.0], [math.inf, 1.0]):
        svg(sparkline(values))


def test_coverage_is_one_mark_a_run() -> None:
    marks = list(svg(strip([True, True, False, True])))
    assert len(marks) == 3
    assert [mark.get("d", "").split()[0] for mark in marks] == ["M0.00", "M60.00", "M90.00"]


def test_what_could_not_come_yet_warns_nobody() -> None:
    marks = list(svg(strip([None, None, False, True])))
    assert len({mark.get("fill") for mark in marks}) == 3
    assert [mark.get("fill") for mark in marks[1:]] == ["#E69F00", "#009E73"]


def test_a_line_is_told_in_one_sentence() -> None:
    assert spark_sentence("Requests", [1, 5, math.nan, 2], ["1", "5", "–", "2"]) == (
        "Requests: between 1 and 5; unknown for 25 % of the range."
    )
    assert spark_sentence("Requests", [math.nan], ["–"]) == "Requests: no data in this range."


def test_the_band_chart_has_its_lines_and_marks() -> None:
    attack = findings(END, hostile=False)[1]
    figure = checked(band_figure(attack))
    assert [trace.name for trace in figure.data] == ["alarm limit", "expected", "observed"]
    assert [note.text for note in figure.layout.annotations] == ["began", "detected"]
    assert len(figure.layout.shapes) == 2
    assert band_sentence(attack) == (
        "The highest value was 326 rejections/min at 2026-06-09 10:12 UTC, where 2.16 rejections/min was expected "
        "and the alarm limit stood at 3.89 rejections/min."
    )


def test_an_end_near_the_detection_has_its_word_on_a_line_of_its_own() -> None:
    attack = findings(END, hostile=False)[1]
    soon = dataclasses.replace(attack, end=attack.detected_at - timedelta(minutes=1))
    notes = {note.text: note.yanchor for note in checked(band_figure(soon)).layout.annotations}
    assert notes == {"began": "bottom", "detected": "bottom", "ended": "top"}


def a_series(observed: list[float], *, upper: float | None, whole: float, due: float) -> Finding:
    start = END - timedelta(minutes=len(observed))
    points = tuple(Point(start + timedelta(minutes=n), one, 1.0, upper) for n, one in enumerate(observed))
    return dataclasses.replace(
        a_finding(start=start, end=None), evidence=Evidence(whole, due, "refused requests", "", {}, points)
    )


def test_a_rise_that_no_single_minute_shows_is_told_as_a_whole() -> None:
    slow = a_series([5.0, 7.0, 6.0], upper=8.5, whole=18.0, due=3.0)
    assert band_sentence(slow).endswith(
        "in one minute at 2026-06-09 11:58 UTC, where 1 refused request was expected and the alarm limit stood at "
        "8.5 refused requests. No single one passes that limit; together they do: 18 refused requests where 3 were "
        "expected."
    )
    assert band_sentence(a_series([5.0], upper=8.5, whole=5.0, due=0.005)).startswith("The highest value was 5 refused")
    rare = a_series([5.0, 6.0], upper=8.5, whole=11.0, due=0.005)
    assert band_sentence(rare).endswith("11 refused requests where hardly any were expected.")
    assert "No single one" not in band_sentence(a_series([5.0, 9.0], upper=8.5, whole=14.0, due=2.0))


def of_latency(observed: list[float]) -> Finding:
    one = a_series(observed, upper=None, whole=31.0, due=18.0)
    return dataclasses.replace(one, evidence=dataclasses.replace(one.evidence, unit="ms"))


def test_spikes_of_a_few_minutes_do_not_flatten_a_latency() -> None:
    spiky = of_latency([18.0] * 60 + [31.0] * 38 + [600.0, 500.0])
    assert checked(band_figure(spiky)).layout.yaxis.range == (0, 62.0)
    assert above(spiky) == " 2 minutes lie above the chart; a double click on it shows them."
    for plain in (of_latency([18.0] * 60 + [31.0] * 40), of_latency([18.0, 600.0])):
        assert checked(band_figure(plain)).layout.yaxis.range is None
        assert above(plain) == ""
    short = of_latency([18.0] * 200 + [400.0] * 4)
    short = dataclasses.replace(short, start=short.evidence.series[200].at)
    assert checked(band_figure(short)).layout.yaxis.range is None  # the incident itself


def test_a_silence_is_told_by_what_is_missing() -> None:
    assert band_sentence(a_series([0.0, 0.0], upper=None, whole=0.0, due=91.0)) == (
        "From 2026-06-09 11:58 UTC on there were no refused requests where 91 were expected."
    )
    assert "at most 1 in one minute, and in all 2 refused requests where 91 were" in band_sentence(
        a_series([1.0, 0.0, 1.0], upper=None, whole=2.0, due=91.0)
    )


def test_the_axis_says_what_a_point_is() -> None:
    assert checked(band_figure(a_series([5.0, 7.0], upper=None, whole=12.0, due=2.0))).layout.yaxis.title.text == (
        "refused requests in one minute"
    )
    slow = findings(END, hostile=False)[0]
    assert checked(band_figure(slow)).layout.yaxis.title.text == "latency, ms"
    told = dataclasses.replace(slow.evidence, facts={"charted": "p95"})
    assert (
        checked(band_figure(dataclasses.replace(slow, evidence=told))).layout.yaxis.title.text
        == "p95 of each minute, ms"
    )


def test_marks_outside_of_the_series_do_not_stretch_the_axis() -> None:
    attack = findings(END, hostile=False)[1]
    late = dataclasses.replace(attack, detected_at=END.replace(year=2027), end=END.replace(year=2028))
    assert [note.text for note in checked(band_figure(late)).layout.annotations] == ["began"]


def test_a_finding_without_any_value_has_a_sentence_too() -> None:
    silent = dataclasses.replace(a_finding(), evidence=Evidence(0.0, 1.0, "requests", "nothing"))
    checked(band_figure(silent))
    assert band_sentence(silent).startswith("No minute")


def test_an_attackers_unit_is_escaped() -> None:
    attack = findings(END, hostile=False)[1]
    for text in HOSTILE:
        evil = dataclasses.replace(attack, evidence=dataclasses.replace(attack.evidence, unit=text))
        shown = json.dumps(band_figure(evil).plain(), default=str)
        assert "<img" not in shown
        assert "<script" not in shown
        assert "<a " not in shown
        assert "$" not in shown
        assert "%{customdata}" not in shown


def test_both_templates_name_the_same_things() -> None:
    light, dark = template(dark=False), template(dark=True)
    assert light != dark
    assert light["layout"].keys() == dark["layout"].keys()  # type: ignore[attr-defined]
