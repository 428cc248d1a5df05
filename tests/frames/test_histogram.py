import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.frames import bucket_of, bucket_value_ms, quantiles_ms


@given(st.floats(min_value=1, max_value=1e6))
def test_a_bucket_stands_for_its_values_within_one_percent(ms: float) -> None:
    assert bucket_value_ms([bucket_of(ms)])[0] == pytest.approx(ms, rel=0.01)


@given(st.lists(st.floats(min_value=1, max_value=60_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_quantiles_are_those_of_the_sorted_values(values: list[float], quantile: float) -> None:
    buckets, counts = np.unique([bucket_of(value) for value in values], return_counts=True)
    n, found = quantiles_ms(pa.array([buckets.tolist()]), pa.array([counts.tolist()]), [quantile])
    exact = sorted(values)[max(int(np.ceil(quantile * len(values))), 1) - 1]
    assert n.tolist() == [len(values)]
    assert found[0, 0] == pytest.approx(exact, rel=0.011)


def test_an_empty_histogram_has_no_quantile() -> None:
    empty = pa.array([None, []], pa.list_(pa.int16()))
    n, values = quantiles_ms(empty, empty.cast(pa.list_(pa.int32())), [0.5])
    assert n.tolist() == [0, 0]
    assert np.isnan(values).all()
