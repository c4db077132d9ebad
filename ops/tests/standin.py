"""A stand-in for a service: ready at once, small, and started in a moment.

python -m ops.tests.standin --port N [--die-before-ready | --never-ready | --stubborn]
It answers GET /environment with its variables and GET /exit by ending with code 7.
"""

import argparse
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    for flag in ("--die-before-ready", "--never-ready", "--stubborn"):
        parser.add_argument(flag, action="store_true")
    chosen = parser.parse_args()
    if chosen.die_before_ready:
        sys.exit("RuntimeError: the stand-in was told to die")
    if chosen.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    class Handler(BaseHTTPRequestHandler):
        """Answers probes."""

        def do_GET(self) -> None:
            """Answer by path."""
            if self.path == "/exit":
                os._exit(7)
            self.send_response(503 if chosen.never_ready else 200)
            self.end_headers()
            found = dict(os.environ) if self.path == "/environment" else {"ready": True}
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    HTTPServer(("127.0.0.1", chosen.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
