import pyarrow as pa

from ingest.work import Packed


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
