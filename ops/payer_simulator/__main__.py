"""Run the payer simulator on loopback: python -m ops.payer_simulator --port 8111."""

import argparse
import os
import sys

import uvicorn

from ops.errors import CannotRun
from ops.payer_simulator.app import PayerSimulator
from ops.payer_simulator.behaviour import LATENCY_MS_MAX
from ops.profile import refuse_outside_local
from shared.web.logs import configure_from


def main() -> None:
    """Read the arguments and serve until a signal."""
    configure_from(os.environ)
    try:
        refuse_outside_local("The payer simulator")
    except CannotRun as error:
        sys.exit(str(error))
    parser = argparse.ArgumentParser(prog="python -m ops.payer_simulator")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--latency-ms",
        type=int,
        default=0,
        help="pause before each answer whose member has none of its own",
    )
    arguments = parser.parse_args()
    if not 0 <= arguments.latency_ms <= LATENCY_MS_MAX:
        parser.error(f"--latency-ms must lie between 0 and {LATENCY_MS_MAX}")
    uvicorn.run(
        PayerSimulator(arguments.latency_ms).app(),
        host="127.0.0.1",
        port=arguments.port,
        log_level="warning",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=1,  # an asker who is met with silence must not hold it up
    )


if __name__ == "__main__":
    main()
