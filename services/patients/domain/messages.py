"""What messages may come by, and in which order: the patient's word."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from shared.values.errors import Invalid


class MessageChannel(StrEnum):
    """What a message goes by."""

    EMAIL = "email"
    SMS = "sms"
    VOICE = "voice"


def checked_channels(channels: Sequence[MessageChannel]) -> tuple[MessageChannel, ...]:
    """The channels in their order; none is a wish, too: no messages by a machine.

    Raises Invalid ``channels.repeated``.
    """
    if len(set(channels)) != len(channels):
        raise Invalid("channels.repeated", "A channel is named twice.", pointer="/channels")
    return tuple(channels)


def without(
    channels: Iterable[MessageChannel] | None, stopped: MessageChannel
) -> tuple[MessageChannel, ...]:
    """The channels that are left once one is stopped. None: nothing was chosen, so all others."""
    known = list(MessageChannel) if channels is None else channels
    return tuple(channel for channel in known if channel is not stopped)
