import pyarrow as pa

from ingest.packed import Packed


def test_a_packed_table_comes_back_as_it_was() -> None:
    table = pa.table(
        {
            "none": pa.array([0, 0, 0], pa.int64()),
            "some": pa.array([0, 7, 0], pa.int64()),
            "unknown": pa.array([None, 0, 0], pa.int64()),
            "text": pa.array(["a", None, ""], pa.string()),
            "list": pa.array([[1], None, []], pa.list_(pa.int16())),
        }
    )
    packed = Packed.of(table)
    assert packed.table().equals(table)
    assert len(packed.data) < len(Packed.of(table.set_column(0, "none", pa.array([1, 2, 3], pa.int64()))).data)
    empty = table.slice(0, 0)
    assert Packed.of(empty).table().equals(empty)


def test_numbers_travel_as_small_as_they_are() -> None:
    for highest in (1, 255, 256, 65_535, 65_536, (1 << 31) - 1, 1 << 31, (1 << 62) + 1):
        table = pa.table(
            {
                "n": pa.array([0, highest], pa.int64()),
                "below": pa.array([-1, highest], pa.int64()),
                "c": pa.array([[highest % (1 << 31), 0], None], pa.list_(pa.int32())),
            }
        )
        for compressed in (False, True):
            assert Packed.of(table, compressed=compressed).table().equals(table)
    few, many = (Packed.of(pa.table({"n": pa.array([top] * 1000, pa.int64())})) for top in (9, 1 << 40))
    assert len(few.data) * 3 < len(many.data)
