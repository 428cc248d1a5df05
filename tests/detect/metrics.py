"""CloudWatch `Count` as it would stand beside made-up minutes, and minutes with lines lost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from gatewatch.frames import METRICS, MINUTES


def counts_of(minutes: pa.Table, *, names: Mapping[str, str] | None = None, whole: bool = False) -> pa.Table:
    """METRICS of all requests in the minutes, by stage (whole: by API). names: API -> the name that REST APIs go by."""
    frame = minutes.select(["minute", "api", "stage", "n"]).to_pandas()
    frame["at"] = frame["minute"].dt.floor("5min")
    keys = ["at", "api"] if whole else ["at", "api", "stage"]
    sums = frame.groupby(keys, dropna=False)["n"].sum().reset_index()
    size = len(sums)
    named = None if names is None else sums["api"].map(names)
    columns = {
        "at": pa.array(sums["at"]).cast(METRICS.field("at").type),
        "period_s": pa.array(np.full(size, 300, np.int32)),
        "account": pa.nulls(size, pa.string()),
        "region": pa.nulls(size, pa.string()),
        "api": pa.array(sums["api"], pa.string()) if named is None else pa.nulls(size, pa.string()),
        "api_name": pa.nulls(size, pa.string()) if named is None else pa.array(named, pa.string()),
        "stage": pa.nulls(size, pa.string()) if whole else pa.array(sums["stage"], pa.string()),
        "metric": pa.array(["Count"] * size),
        "value": pa.array(sums["n"].astype(float)),
    }
    return pa.table([columns[field.name].cast(field.type) for field in METRICS], schema=METRICS)


def with_losses(minutes: pa.Table, share: float, start: datetime, end: datetime, *, seed: int = 1) -> pa.Table:
    """The minutes when each line of [start, end) is lost with the chance `share`."""
    rng = np.random.default_rng(seed)
    at = minutes.column("minute").to_pandas()
    inside = ((at >= pd.Timestamp(start)) & (at < pd.Timestamp(end))).to_numpy()
    n = minutes.column("n").to_numpy()
    kept = np.where(inside, rng.binomial(n, 1.0 - share), n)
    place = MINUTES.get_field_index("n")
    return minutes.set_column(place, MINUTES.field("n"), pa.array(kept)).filter(pa.array(kept > 0))
