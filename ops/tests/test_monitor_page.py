"""The monitor's page in a real browser, as a person has it open."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from ops.tests.events import SECRET, booked
from ops.tests.monitored import World
from shared.values.ids import new_id

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def world() -> World:
    """A bus, and an appointments service that knows every timeline."""
    made = await World(apis={"appointments": "http://appointments.test"}).begin()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/readyz":
            return httpx.Response(200, json={"ready": True, "bus": {}})
        assert request.headers["authorization"].startswith("Bearer ")
        entry = {
            "at": "2026-11-05T10:00:00Z",
            "kind": "event",
            "what": "clinicbus.appointments.appointment.demographics_verified_again.v1",
            "actor": "person/<b>dana</b>",
            "subject": "appointment/1",
            "sequence": 1,
            "outcome": "said",
        }
        return httpx.Response(200, json={"entries": [entry]})

    made.switchboard.connect("http://appointments.test", answer)
    return made


class Screen:
    """A page, and all that it asked for and complained about."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.asked: list[str] = []
        self.trouble: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", self._console)

    def _console(self, message: Any) -> None:
        # That a connection was refused while the monitor restarted is no fault of the page.
        if message.type == "error" and "net::ERR" not in message.text:
            self.trouble.append(message.text)

    async def enter(self, url: str, token: str) -> None:
        await self.page.goto(url)
        await self.page.get_by_label("Bearer token").fill(token)
        await self.page.get_by_role("button", name="Connect").click()
        await self.live()

    async def live(self) -> None:
        await self.page.get_by_role("status").get_by_text("Live.").wait_for()

    async def count(self, wanted: int) -> None:
        await self.page.wait_for_function(
            "n => document.querySelectorAll('#rows tr').length === n", arg=wanted
        )

    async def sequences(self) -> list[int]:
        """The numbers of the rows, the newest first."""
        texts = await self.page.locator("#rows td:nth-child(3) > span").all_inner_texts()
        return [int(text.strip().removeprefix("#")) for text in texts]


@pytest.fixture
async def screen(browser: Any) -> AsyncIterator[Screen]:
    """A fresh page; it must not have complained in the end, nor asked anybody else."""
    context = await browser.new_context()
    context.set_default_timeout(30_000)
    found = Screen(await context.new_page())
    yield found
    await context.close()
    assert found.trouble == []
    assert {urlsplit(url).hostname for url in found.asked} == {"127.0.0.1"}
    # No token in a URL, which others may keep.
    assert [url for url in found.asked if "ey" in urlsplit(url).query] == []


def token_of(world: World, network: UUID, role: str = "ops") -> str:
    return world.headers(network, role)["Authorization"].removeprefix("Bearer ")


async def test_events_appear_and_a_subject_shows_its_timeline(
    world: World, screen: Screen, network_id: UUID
) -> None:
    page = screen.page
    async with world.serve() as url:
        await world.say(booked(1, network=network_id), booked(1, network=new_id()))
        await screen.enter(url, token_of(world, network_id))
        await screen.count(1)
        hostile = "person/<img src=x onerror=alert(1)>"
        await world.say(booked(2, network=network_id, actor=hostile))
        await screen.count(2)
        assert await screen.sequences() == [2, 1]
        assert await page.locator("#rows img").count() == 0
        assert hostile in (
            await page.locator("#rows td[title^='person/<img']").first.get_attribute("title")
        )
        await page.locator("#rows button.id").first.click()
        await page.locator("#entries li").wait_for()
        assert "person\u00a0<b>dana</b>" in await page.locator("#entries").inner_text()
        assert await page.locator("#entries b").count() == 0
        await page.locator("#rows button.plain:not(.id)").first.click()
        await page.get_by_role("button", name="Show value").click()
        await page.get_by_text("Your role does not see values.").wait_for()
        assert SECRET.decode() not in await page.content()
        services = await page.locator("#services tr").count()
        assert services == 5
        screen.trouble = [t for t in screen.trouble if "403" not in t]  # the refusal just asked for


async def test_it_goes_on_by_itself_after_the_monitor_was_restarted(
    world: World, screen: Screen, network_id: UUID
) -> None:
    async with world.serve() as url:
        port = urlsplit(url).port or 0
        await screen.enter(url, token_of(world, network_id))
        await world.say(booked(1, network=network_id))
        await screen.count(1)
    await world.say(booked(2, network=network_id), booked(3, network=network_id))
    await screen.page.get_by_text("The connection broke").wait_for()
    async with world.serve(port):
        await screen.count(3)
        await world.say(booked(4, network=network_id))
        await screen.count(4)
        assert sorted(await screen.sequences()) == [1, 2, 3, 4]


async def test_a_pause_holds_events_back_and_a_filter_leaves_others_out(
    world: World, screen: Screen, network_id: UUID
) -> None:
    page, clinic = screen.page, new_id()
    async with world.serve() as url:
        await screen.enter(url, token_of(world, network_id))
        await page.get_by_role("button", name="Pause").click()
        await world.say(booked(1, network=network_id), booked(2, network=network_id, clinic=clinic))
        await page.get_by_text("2 waiting").wait_for()
        assert await page.locator("#rows tr").count() == 0
        await page.get_by_role("button", name="Go on").click()
        await screen.count(2)
        await page.get_by_label("Clinic id").fill(str(clinic))
        await page.get_by_role("button", name="Filter").click()
        await screen.count(1)
        assert await screen.sequences() == [2]
        # What is not understood is said, and nothing breaks.
        await page.get_by_label("Clinic id").fill("x")
        await page.get_by_role("button", name="Filter").click()
        await page.get_by_text("The filter is not understood.").wait_for()
        screen.trouble = [t for t in screen.trouble if "422" not in t]


async def test_a_page_that_is_left_open_stays_small(
    world: World, screen: Screen, network_id: UUID
) -> None:
    async with world.serve() as url:
        await screen.enter(url, token_of(world, network_id))
        for _ in range(4):
            await world.say(*(booked(n % 59 + 1, network=network_id) for n in range(200)))
        await screen.page.wait_for_function(
            "() => document.querySelectorAll('#rows tr').length === 500"
        )
        last = booked(60 - 1, network=network_id, actor="person/the-last")
        await world.say(last)
        await screen.page.locator("td[title='person/the-last']").wait_for()
        assert await screen.page.locator("#rows tr").count() == 500


async def test_a_refused_token_is_forgotten_and_asked_for_again(
    world: World, screen: Screen, network_id: UUID
) -> None:
    page = screen.page
    async with world.serve() as url:
        for token, why in (
            ("nonsense", "not accepted"),
            (token_of(world, network_id, "nurse"), "may not"),
        ):
            await page.goto(url)
            await page.get_by_label("Bearer token").fill(token)
            await page.get_by_role("button", name="Connect").click()
            await page.get_by_role("alert").get_by_text(why).wait_for()
            assert await page.evaluate("sessionStorage.length") == 0
        await page.get_by_label("Bearer token").fill(token_of(world, network_id))
        await page.keyboard.press("Enter")
        await screen.live()
        await page.reload()
        await screen.live()  # kept in this tab
        await page.get_by_role("button", name="Forget token").click()
        assert await page.evaluate("sessionStorage.length") == 0
        await asyncio.sleep(0)
        screen.trouble = [t for t in screen.trouble if "401" not in t and "403" not in t]


@pytest.mark.parametrize("width", [390, 1400])
async def test_nothing_is_wider_than_the_screen(
    world: World, screen: Screen, network_id: UUID, width: int
) -> None:
    page = screen.page
    await page.set_viewport_size({"width": width, "height": 800})
    async with world.serve() as url:
        await screen.enter(url, token_of(world, network_id))
        await world.say(*(booked(n, network=network_id, clinic=new_id()) for n in range(1, 30)))
        await screen.count(29)
        await page.locator("#services tr").first.wait_for()
        await page.locator("#rows button.id").first.click()
        await page.locator("#entries li").first.wait_for()
        await page.locator("#rows button.plain:not(.id)").first.click()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        unnamed = await page.evaluate(
            "[...document.querySelectorAll('button, input, select')]"
            ".filter(e => !e.textContent.trim() && !e.labels?.length && !e.ariaLabel).length"
        )
        assert unnamed == 0
        assert await page.locator("main, header, h1").count() == 3
