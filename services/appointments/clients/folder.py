"""A messenger without a wire, for the demo: each message becomes a file in a folder."""

import asyncio
import os
from pathlib import Path

from services.appointments.domain.messages import Message, Outcome, Taken


class FolderMessenger:
    """Writes a message to `<folder>/<reminder>.txt`, for its owner alone to read.

    A message that comes twice is seen: the second file gets a number of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message: Message, address: str) -> Outcome:
        """See `Messenger.send`."""
        await asyncio.to_thread(self._write, message, address)
        return Taken()

    def _write(self, message: Message, address: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = f"To: {address}\nSubject: {message.subject}\n\n{message.text}"
        number = 1
        while True:
            name = f"{message.id}.txt" if number == 1 else f"{message.id}.{number}.txt"
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                file = os.open(self._folder / name, flags, 0o600)
            except FileExistsError:
                number += 1
                continue
            with os.fdopen(file, "w", encoding="utf-8") as opened:
                opened.write(text)
            return
