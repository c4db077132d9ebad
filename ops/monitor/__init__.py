"""`clinicbus monitor`: the event monitor, a page on loopback that a person can leave open.

    GET /                                        the page
    GET /events                                  the stream (SSE); no values
    GET /events/{topic}/{partition}/{offset}     one event with its value, for whom it is
    GET /subjects/{kind}/{id}                    one subject's timeline
    GET /state                                   lag, parked keys and relays of all services

Everything but the page takes a bearer token in the header; none is ever taken from a URL. It is
started when somebody wants to look, and reads the bus only while somebody does.
"""

from ops.monitor.command import app

__all__ = ["app"]
