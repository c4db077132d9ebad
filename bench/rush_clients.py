"""Clients of a rush, what they do at random and were told; and the process that is killed."""

import asyncio
import random
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from bench.serving import Serving, serving
from bench.stage import LANE, NOW, SERVICE, TARGET, Stage
from ops.ports import Ports
from shared.values.ids import new_id
from shared.web.clocks import SharedClock

CLIENTS = 100
STARTS, APART = 50, timedelta(minutes=10)
"""Visits last twenty minutes: each start overlaps its neighbours."""
DEEDS = (
    ("book", 34), ("hold", 14), ("take", 10), ("release", 4), ("confirm", 6), ("decline", 2),
    ("reschedule", 14), ("cancel", 8), ("series", 4), ("series_move", 2), ("series_cancel", 2),
)  # fmt: skip
PATIENCE_SECONDS = 60.0
Body = dict[str, Any]


@dataclass(slots=True)
class Told:
    """What clients were told. visits: by id, the acknowledged state of the highest version."""

    answers: Counter[int] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    visits: dict[str, Body] = field(default_factory=dict)
    holds: dict[str, Body] = field(default_factory=dict)
    series: dict[str, Body] = field(default_factory=dict)

    def hear_visit(self, view: Body) -> None:
        """Keep an acknowledged state of a visit, unless a later one is known."""
        known = self.visits.get(view["id"])
        if known is None or known["version"] < view["version"]:
            self.visits[view["id"]] = {**(known or {}), **view}


class Api:
    """The API as a process that can be killed and started again, on one port."""

    def __init__(self, made: Stage) -> None:
        self.made, self.port = made, Ports.free().of[SERVICE]
        self.stack, self.kills = ExitStack(), 0
        self.serving: Serving | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        arguments = ["shared.web.run", TARGET, "--role", "api", "--port", str(self.port)]
        log = self.made.folder / "rush.log"
        self.serving = self.stack.enter_context(
            serving(arguments, self.port, self.made.environment, log)
        )

    def kill(self) -> None:
        """End it as by `kill -9`, and start it again."""
        if self.serving is not None:
            self.serving.process.kill()
            self.serving.process.wait()
        self.stack.close()
        self.kills += 1
        self.start()


@dataclass(slots=True)
class Rush:
    """The clients, what they do, and what they were told."""

    made: Stage
    api: Api
    http: httpx.AsyncClient
    calls: int
    seed: int
    first: datetime
    told: Told = field(default_factory=Told)
    begun: int = 0
    done: int = 0
    moments: list[int] = field(default_factory=list)

    async def run(self, kills: int) -> None:
        """All calls, with the kills and the steps of the clock in between."""
        dice = random.Random(f"{self.seed}/kills")
        self.moments = sorted(dice.sample(range(self.calls // 20, self.calls), kills))
        await asyncio.gather(self._keep_killing(), *(self._client() for _ in range(CLIENTS)))

    async def _keep_killing(self) -> None:
        clock = SharedClock(self.made.folder / "clock")
        minutes = 0
        while self.done < self.calls:
            if minutes < self.done * 20 // self.calls:
                minutes += 1
                clock.set(NOW + timedelta(minutes=minutes))
            if self.moments and self.done >= self.moments[0]:
                self.moments.pop(0)
                await asyncio.to_thread(self.api.kill)
            await asyncio.sleep(0.01)

    async def _client(self) -> None:
        while self.begun < self.calls:
            self.begun += 1
            await self._deed(random.Random(f"{self.seed}/{self.begun}"))
            self.done += 1

    async def _deed(self, dice: random.Random) -> None:
        (name,) = dice.choices([n for n, _ in DEEDS], [weight for _, weight in DEEDS])
        told = self.told
        held = [h for h in told.holds.values() if h["state"] == "held"]
        booked = [v for v in told.visits.values() if v["lifecycle"] == "booked"]
        if name in ("take", "release") and held:
            await self._with_hold(name, dice.choice(held), dice)
        elif name in ("confirm", "decline", "reschedule", "cancel") and booked:
            await self._with_visit(name, dice.choice(booked), dice)
        elif name in ("series_move", "series_cancel") and told.series:
            await self._with_series(name, dice.choice(list(told.series.values())), dice)
        elif name == "series":
            more = {"rrule": "FREQ=DAILY;COUNT=3", "on_conflict": "skip"}
            answer = await self._insist("series", "/v1/series", self._place(dice) | more)
            self._hear_series(answer)
        elif name == "hold":
            wish = self._place(dice) | {"ttl_minutes": dice.randint(1, 5)}
            answer = await self._insist("hold", "/v1/holds", wish)
            if answer.is_success:
                told.holds[answer.json()["id"]] = answer.json()
        else:
            answer = await self._insist("book", "/v1/appointments", self._place(dice))
            self._hear_visit(answer)

    async def _with_hold(self, name: str, hold: Body, dice: random.Random) -> None:
        if name == "release":
            answer = await self._insist(name, f"/v1/holds/{hold['id']}/release")
            if answer.is_success:
                self.told.holds[hold["id"]] = answer.json()
            return
        names = ("clinic_id", "provider_id", "appointment_type_id", "starts_at", "patient_id")
        body = {n: hold[n] for n in names} | {"hold_id": hold["id"]}
        answer = await self._insist(name, "/v1/appointments", body)
        self._hear_visit(answer)
        if answer.is_success:
            taken = {"state": "taken", "appointment_id": answer.json()["id"]}
            self.told.holds[hold["id"]] = {**hold, **taken}
        elif dice.random() < 0.5:
            await self._with_hold("release", hold, dice)

    async def _with_visit(self, name: str, visit: Body, dice: random.Random) -> None:
        path = f"/v1/appointments/{visit['id']}/{name}"
        body: Body | None = None
        if name == "reschedule":
            place = self._place(dice)
            names = ("clinic_id", "provider_id", "starts_at")
            body = {n: place[n] for n in names} | {"reason": "clinic_request"}
        elif name == "cancel":
            body = {"reason": dice.choice(["patient_ill", "provider_unavailable"])}
            body["frees_slot"] = True
        version = visit["version"] if body else None
        self._hear_visit(await self._insist(name, path, body, version))

    async def _with_series(self, name: str, series: Body, dice: random.Random) -> None:
        number = dice.choice(series["numbers"])
        scope = dice.choice(["this", "following", "all"])
        body: Body = {"occurrence": number, "scope": scope, "reason": "clinic_request"}
        path = f"/v1/series/{series['id']}/cancel"
        if name == "series_move":
            path = f"/v1/series/{series['id']}/reschedule"
            at = self.first + timedelta(days=number - 1) + dice.randrange(STARTS) * APART
            body |= {"starts_at": at.isoformat(), "on_conflict": dice.choice(["fail", "skip"])}
        self._hear_series(await self._insist(name, path, body), cancelled=name == "series_cancel")

    def _place(self, dice: random.Random) -> Body:
        lane = LANE[dice.randrange(2)]
        patients = LANE[dice.randrange(len(LANE))]
        return {
            "patient_id": str(patients.patient_id(dice.randrange(40))),
            "clinic_id": str(lane.clinic_id),
            "provider_id": str(lane.provider_id),
            "appointment_type_id": str(self.made.type_id),
            "starts_at": (self.first + dice.randrange(STARTS) * APART).isoformat(),
        }

    def _hear_visit(self, answer: httpx.Response) -> None:
        if answer.is_success:
            self.told.hear_visit(answer.json())

    def _hear_series(self, answer: httpx.Response, *, cancelled: bool = False) -> None:
        if not answer.is_success:
            return
        view = answer.json()
        made = [o for o in view["outcomes"] if o["appointment_id"]]
        for each in made:
            state = {"id": each["appointment_id"], "version": each["version"]}
            state |= {"starts_at": each["starts_at"], "confirmation": None}
            self.told.hear_visit(state | {"lifecycle": "cancelled" if cancelled else "booked"})
        numbers = [o["occurrence"] for o in made]
        self.told.series.setdefault(view["id"], {"id": view["id"], "numbers": numbers})

    async def _insist(
        self, name: str, path: str, body: Body | None = None, version: int | None = None
    ) -> httpx.Response:
        """POST under one key until there is an answer; an answer of 5xx is counted as one."""
        headers = {
            "Authorization": f"Bearer {self.made.token}",
            "Idempotency-Key": str(new_id()),
        }
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        url, end = f"http://127.0.0.1:{self.api.port}{path}", time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = await self.http.post(url, json=body, headers=headers)
            except httpx.TransportError:
                self.told.broken += 1
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.05)
                continue
            self.told.answers[answer.status_code] += 1
            waits = answer.status_code == 409 and "idempotency.in_progress" in answer.text
            if answer.status_code != 429 and not waits:
                self.told.deeds[f"{name} {answer.status_code // 100}xx"] += 1
                return answer
            await asyncio.sleep(0.05)
