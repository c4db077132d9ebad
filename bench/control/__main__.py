"""Run the control: `python -m bench.control --port 8000`."""

import argparse

import uvicorn

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.control")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run("bench.control.app:app", port=port, log_level="warning", access_log=False)
