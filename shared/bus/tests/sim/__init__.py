"""Relay and consumer machines in a world of their own: virtual time, one seed, no I/O.

`world.World(seed).run()` plays one seed and raises `world.Violation` where a promise is broken. The
machines and the judgement of events are production's; the statements that they ask for are modelled
one by one, so that processes are paused, killed and overtaken between any two of them.
`python -m shared.bus.tests.sim --seeds 1000 --from 0` plays many seeds on all cores.
"""
