"""Keys go where every other Kafka client would put them."""

import pytest
from aiokafka.partitioner import murmur2 as of_aiokafka
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.envelope import PARTITIONS
from shared.contracts.partition import murmur2, partition_of


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        # From Apache Kafka, UtilsTest.testMurmur2.
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_kafkas(data: bytes, signed: int) -> None:
    """The vectors of Kafka's own test."""
    assert murmur2(data) == signed % 2**32


@given(st.text(max_size=60))
def test_a_key_has_the_partition_that_aiokafka_gives_it(key: str) -> None:
    """Any length, any text."""
    assert partition_of(key) == (of_aiokafka(key.encode()) & 0x7FFFFFFF) % PARTITIONS
