"""Which partition a key belongs to: murmur2, as Kafka's default partitioner has it."""

from functools import lru_cache

from shared.contracts.envelope import PARTITIONS

_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 hash with the seed that Kafka's clients use."""
    multiplier, shift = 0x5BD1E995, 24
    length = len(data)
    h = (0x9747B28C ^ length) & _MASK
    whole = length - length % 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = (k * multiplier) & _MASK
        k ^= k >> shift
        k = (k * multiplier) & _MASK
        h = (h * multiplier) & _MASK
        h ^= k
    rest = data[whole:]
    if rest:
        h ^= int.from_bytes(rest, "little")
        h = (h * multiplier) & _MASK
    h ^= h >> 13
    h = (h * multiplier) & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=65536)
def partition_of(key: str) -> int:
    """The partition (0..11) of a key. An aggregate stays in one for life."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS
