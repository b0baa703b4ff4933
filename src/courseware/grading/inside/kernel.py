"""Calls of the Linux kernel that Python does not offer, and capabilities by number."""

import ctypes
import os

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1 << 5, 1 << 12, 1 << 14, 1 << 18
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_CAP_AMBIENT = 1, 24, 36, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITIES = 64  # numbers there may be; the kernel says where its own end

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library that returns -1 when it fails; then raise OSError."""
    if getattr(_libc, name)(*arguments) == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def prctl(option: int, *arguments: int) -> None:
    """Set something about this process."""
    call("prctl", option, *(ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]))


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount a file system."""
    call(
        "mount", source.encode(), target.encode(), kind and kind.encode(), ctypes.c_ulong(flags),
        options.encode() or None,
    )  # fmt: skip


def drop_bounding_set() -> None:
    """Give up the capabilities that a program started from here could gain; needs CAP_SETPCAP."""
    for capability in range(CAPABILITIES):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            if capability == 0:  # not the end of the numbers: not allowed at all
                raise
            return


def drop_capabilities() -> None:
    """Give up every capability of this process, for good."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    version_3 = (ctypes.c_uint32 * 2)(0x20080522, 0)
    call("capset", version_3, (ctypes.c_uint32 * 6)())
