"""Becomes another program that ends when its parent ends. Run as a file; needs the stdlib alone.

    python -I -S launch.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT ...]

PARENT is the process id of the starter. When that process dies, however it dies, the kernel sends
SIGNAL (a number) to the program (Linux, prctl(2) PR_SET_PDEATHSIG; elsewhere the next run ends
what is left). UID and GID are numbers to change to first, or "-" to stay.
"""

import ctypes
import os
import resource
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, change the user, and become the program."""
    parent, signal, uid, gid, *program = arguments
    if gid != "-":
        os.setgroups([])
        os.setgid(int(gid))
    if uid != "-":
        os.setuid(int(uid))
    # What a process has in its memory does not become a file when it dies.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # After the change of user, which would clear it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(1)  # the parent died before the line above
    try:
        os.execvp(program[0], program)  # noqa: S606 - becoming another program is its purpose
    except OSError as error:
        sys.exit(f"{program[0]} does not start: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
