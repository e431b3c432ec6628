"""Becomes the tortured program, under the limits that the first argument (JSON) names.

A process of its own, because limits and ignored signals cannot be set safely between fork and exec of a process with
threads. It dies with the harness.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the harness is gone")


def set_limits(limits):
    for name, value in limits.items():
        kind = getattr(resource, "RLIMIT_" + name)
        hardest = resource.getrlimit(kind)[1]
        value = value if hardest == resource.RLIM_INFINITY else min(value, hardest)
        resource.setrlimit(kind, (value, value))


def bind(mounts):
    """Shows files in place of others, to this process alone: it has a mount namespace of its own (unshare)."""
    for source, target in mounts:
        subprocess.run(["mount", "--bind", source, target], check=True)


def become(user):
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def set_signals(ignored):
    """Python ignores two signals, which a shell's child does not."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    for name in ignored:
        signal.signal(getattr(signal, name), signal.SIG_IGN)


def main():
    order = json.loads(sys.argv[1])
    os.chdir(order["folder"])
    bind(order.get("bind", []))
    set_signals(order.get("ignore", []))
    if "user" in order:
        become(order["user"])
    # After the user: a change of user forgets it.
    die_with(order["parent"])
    for descriptor in order.get("close", []):
        os.close(descriptor)
    set_limits(order.get("limits", {}))
    os.execv(sys.argv[2], sys.argv[2:])


main()
