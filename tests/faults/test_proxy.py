"""The proxy itself: each fault does what it says to a link with a plain echo server behind it."""

import random
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.proxy import Moment, Proxy, Way, Weather, pieces

PATIENCE_S = 5.0
SHORT_S = 0.15


class Echo(socketserver.BaseRequestHandler):
    """Answers what it gets, and keeps how many bytes and pieces that was."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, EchoServer)
        try:
            while data := self.request.recv(65_536):
                server.pieces.append(data)
                self.request.sendall(data)
        except ConnectionError:
            server.resets += 1
        finally:
            server.ended.release()


class EchoServer(socketserver.ThreadingTCPServer):
    """An echo server that remembers."""

    daemon_threads = True
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.pieces: list[bytes] = []
        self.resets = 0
        self.ended = threading.Semaphore(0)

    @property
    def got(self) -> bytes:
        return b"".join(self.pieces)


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def link(echo: EchoServer) -> Iterator[Proxy]:
    host, port = echo.server_address[:2]
    assert isinstance(host, str)
    with Proxy(host, port, seed=7) as proxy:
        yield proxy


@contextmanager
def client(link: Proxy, timeout_s: float = PATIENCE_S) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", link.port), timeout=timeout_s) as found:
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield found


def answer(found: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = found.recv(count - len(data))
        if not piece:
            break
        data += piece
    return data


def asked(found: socket.socket, data: bytes) -> bytes:
    found.sendall(data)
    return answer(found, len(data))


def wait_for(echo: EchoServer, data: bytes) -> None:
    end = time.monotonic() + PATIENCE_S
    while echo.got != data:
        assert time.monotonic() < end, echo.got
        time.sleep(0.002)


def test_without_a_fault_bytes_and_the_end_of_each_side_get_through(
    link: Proxy, echo: EchoServer
) -> None:
    big = bytes(range(256)) * 4_000
    with client(link) as found:
        sender = threading.Thread(target=found.sendall, args=(big,))
        sender.start()
        assert answer(found, len(big)) == big
        sender.join()
        found.shutdown(socket.SHUT_WR)
        assert found.recv(1) == b""
    assert echo.got == big
    assert echo.resets == 0
    assert link.seen == {"connections": 1}


def test_latency_and_jitter_delay_and_keep_the_order(link: Proxy) -> None:
    link.slow(0.06, jitter_s=0.03)
    with client(link) as found:
        began = time.monotonic()
        assert asked(found, b"abc") == b"abc"
        assert time.monotonic() - began >= 0.06
        text = b"".join(b"%04d" % number for number in range(200))
        for at in range(0, len(text), 4):
            found.sendall(text[at : at + 4])
        assert answer(found, len(text)) == text


def test_a_narrow_link_passes_on_so_many_bytes_a_second(link: Proxy) -> None:
    link.narrow(50_000)
    with client(link) as found:
        began = time.monotonic()
        assert asked(found, b"x" * 5_000) == b"x" * 5_000
        assert 0.1 <= time.monotonic() - began < 2


def test_slices_are_of_one_to_seven_bytes_and_the_same_for_one_seed() -> None:
    text = bytes(range(200))

    def sliced(seed: int, bytes_per_s: float | None = None) -> list[bytes]:
        return list(
            pieces(text, Weather(slices=(1, 7), bytes_per_s=bytes_per_s), random.Random(seed))
        )

    assert b"".join(sliced(7)) == text
    assert {len(piece) for piece in sliced(7)[:-1]} == set(range(1, 8))
    assert sliced(7) == sliced(7) != sliced(8)
    assert max(map(len, sliced(7, bytes_per_s=150))) == 3


def test_a_sliced_link_sends_its_slices_apart(link: Proxy, echo: EchoServer) -> None:
    link.slice()
    link.narrow(1_000)  # so slow that the server can read some of them before the next one comes
    text = b"a request that is longer than seven bytes"
    with client(link) as found:
        assert asked(found, text) == text
    assert echo.got == text
    assert len(echo.pieces) > 1


def test_refused_connections_fail_at_once_and_the_port_is_kept(
    link: Proxy, echo: EchoServer
) -> None:
    with client(link) as found:
        assert asked(found, b"before") == b"before"
        link.refuse()
        with pytest.raises(ConnectionResetError):
            found.recv(1)
    with pytest.raises(ConnectionRefusedError), client(link):
        pass
    link.refuse()
    link.heal()
    with client(link) as found:
        assert asked(found, b"after") == b"after"


def test_swallowed_bytes_never_arrive_and_their_connection_ends_with_the_fault(
    link: Proxy, echo: EchoServer
) -> None:
    with client(link, SHORT_S) as idle, client(link, SHORT_S) as found:
        assert asked(idle, b"1") == b"1"
        link.swallow()
        found.sendall(b"lost")
        with pytest.raises(TimeoutError):
            found.recv(1)
        with client(link, SHORT_S) as new:
            new.sendall(b"lost, too")
            with pytest.raises(TimeoutError):
                new.recv(1)
        link.heal()
        with pytest.raises(ConnectionResetError):
            found.recv(1)
        assert asked(idle, b"2") == b"2"
    assert echo.got == b"12"


def test_one_way_alone_can_be_swallowed(link: Proxy, echo: EchoServer) -> None:
    link.swallow(Way.DOWN)
    with client(link, SHORT_S) as found:
        found.sendall(b"heard")
        wait_for(echo, b"heard")
        with pytest.raises(TimeoutError):
            found.recv(1)


def test_what_a_stall_holds_back_arrives_when_it_ends(link: Proxy, echo: EchoServer) -> None:
    with client(link, SHORT_S) as found:
        assert asked(found, b"1") == b"1"
        link.stall(Way.UP)
        found.sendall(b"held")
        with pytest.raises(TimeoutError):
            found.recv(1)
        assert echo.got == b"1"
        link.heal()
        assert answer(found, 4) == b"held"


def test_a_reset_is_seen_by_both_sides(link: Proxy, echo: EchoServer) -> None:
    with client(link) as found:
        assert asked(found, b"1") == b"1"
        assert link.reset() == 1
        with pytest.raises(ConnectionResetError):
            found.recv(1)
        assert echo.ended.acquire(timeout=PATIENCE_S)
    assert echo.resets == 1
    assert link.seen["broken"] == 1


@pytest.mark.parametrize(
    ("moment", "arrives"),
    [(Moment.INSTEAD, b"12"), (Moment.AFTER, b"12COMMIT;"), (Moment.REPLY_LOST, b"12COMMIT;")],
)
def test_a_cut_waits_for_its_bytes_however_they_are_split(
    link: Proxy, echo: EchoServer, moment: Moment, arrives: bytes
) -> None:
    # The first half of the pattern has gone its way before anyone can know.
    before = {Moment.INSTEAD: arrives + b"COM"}.get(moment, arrives)
    link.cut(Way.UP, b"COMMIT", moment)
    with client(link) as found:
        assert asked(found, b"12") == b"12"
        assert asked(found, b"COM") == b"COM"
        found.sendall(b"MIT;")
        with pytest.raises(ConnectionResetError):
            found.recv(1)
    if moment is not Moment.AFTER:  # a reset may overtake what was passed on just before it
        wait_for(echo, before)
    assert link.seen[moment] == 1
    with client(link) as found:  # once was asked for
        assert asked(found, b"COMMIT") == b"COMMIT"


def test_bytes_can_be_changed_on_their_way(link: Proxy, echo: EchoServer) -> None:
    link.rewrite(Way.DOWN, lambda data: data.replace(b"yes", b"no!"))
    with client(link) as found:
        assert asked(found, b"yes") == b"no!"
        link.heal()
        assert asked(found, b"yes") == b"yes"
    assert echo.got == b"yesyes"


def test_a_cut_can_wait_for_so_many_bytes_of_a_connection(link: Proxy) -> None:
    link.cut(Way.DOWN, 10, Moment.INSTEAD, times=2)
    for _ in range(2):
        with client(link) as found:
            assert asked(found, b"123456789") == b"123456789"
            found.sendall(b"0")
            with pytest.raises(ConnectionResetError):
                found.recv(1)
    with client(link) as found:
        assert asked(found, b"x" * 20) == b"x" * 20
    assert link.seen["instead"] == 2


def test_a_server_that_is_away_and_another_behind_the_same_port(
    link: Proxy, echo: EchoServer
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        link.lead_to("127.0.0.1", probe.getsockname()[1])
        with pytest.raises(ConnectionResetError), client(link) as found:
            found.recv(1)
    with EchoServer() as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        link.lead_to("127.0.0.1", other.server_address[1])
        with client(link) as found:
            assert asked(found, b"new") == b"new"
        other.shutdown()
        thread.join()
    assert (echo.got, other.got) == (b"", b"new")
