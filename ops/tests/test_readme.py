"""The README's own calls, run from its text."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ops import seed
from ops.layout import Layout
from ops.local_system import LocalSystem
from ops.options import Options
from ops.ports import Ports
from ops.seeding import seed_when_new

ROOT = Path(__file__).resolve().parents[2]
LOCAL = {"appointments": 8101, "patients": 8102, "eligibility": 8103, "payments": 8104}


def blocks() -> list[str]:
    """The shell blocks from the four calls to the trace."""
    text = (ROOT / "README.md").read_text()
    part = text.split("## From stranger to receipt in four calls")[1].split("\n## ")[0]
    found = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
    assert len(found) == 6
    return found


@pytest.mark.timeout(180)
async def test_the_four_calls_of_the_readme_end_with_a_receipt(tmp_path: Path) -> None:
    assert seed
    layout = Layout(tmp_path / "home")
    async with LocalSystem(layout, Ports.free(), Options(durable=False)) as system:
        await seed_when_new(system)
        script = "set -eu\n" + "\n".join(blocks())
        for service, port in LOCAL.items():
            script = script.replace(f"http://127.0.0.1:{port}", system.urls[service])
        script = script.replace("> payment.json", f"> {tmp_path}/payment.json")
        script = script.replace("< payment.json", f"< {tmp_path}/payment.json")
        script = script.replace("-o receipt.pdf", f"-o {tmp_path}/receipt.pdf")
        done = await _run(script, {**os.environ, "CLINICBUS_HOME": str(layout.root)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Receipt number 1" in done.stdout
    assert (tmp_path / "receipt.pdf").read_bytes().startswith(b"%PDF-")
    for said in ("appointment.booked", "payment.posted", "eligibility.verified"):
        assert said in done.stdout


async def _run(script: str, environment: dict[str, str]) -> Any:
    import asyncio

    return await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
