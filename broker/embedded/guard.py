"""The guard: starts one server, and ends it when the process that asked for it is gone, even by kill -9.

Run as `python guard.py FOLDER COMMAND...`. It writes the server's process id to standard output and holds the read
end of a pipe as standard input. Only the owner holds the write end, so the system itself closes it when the owner
dies; then the guard kills the server's whole process group and removes the folder. If the server ends by itself, the
guard ends with its exit code and leaves the folder, so that the server can be started on it again.

Nothing but the standard library, and no package of ours: it starts in milliseconds.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading

NO_FOLDER = ""  # in place of a folder to remove


def main(folder: str, *command: str) -> int:
    """Run `command` in a process group of its own until it ends or the owner does; its exit code."""
    # The log is our standard error, and the server's only output.
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, process_group=0)  # noqa: S603 - our own
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    owner_left = threading.Event()

    def watch() -> None:
        sys.stdin.buffer.read()  # returns at the end of the pipe: the owner closed it, or died
        owner_left.set()
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    code = server.wait()
    if owner_left.is_set() and folder != NO_FOLDER:
        shutil.rmtree(folder, ignore_errors=True)
    return code if code >= 0 else 128 - code  # as a shell says that a signal ended it


if __name__ == "__main__":
    # os._exit: the watching thread sits in a read that no interpreter shutdown can interrupt.
    os._exit(main(*sys.argv[1:]))
