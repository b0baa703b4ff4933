"""The system calls that the jail refuses: a filter in the kernel's classic BPF, written by hand.

Most of what a program may ask of a kernel is left: the namespaces, the user and the limits bound it. Refused
is what reaches other processes, mounts or namespaces, what hides memory from those who watch, every socket
that is not a local one, and corners of the kernel that numerical code has no use for and that were broken
before.
"""

import ctypes
import errno
import platform

from . import kernel

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
KILL, ALLOW, ERROR = 0x80000000, 0x7FFF0000, 0x00050000
# Offsets into struct seccomp_data; an argument's lower half comes first on both machines.
NUMBER, MACHINE, ARGUMENTS = 0, 4, 16
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
X32 = 0x40000000  # the numbers of x86_64's other calling convention begin here
AF_UNIX, MAP_SHARED, MAP_ANONYMOUS = 1, 0x01, 0x20
NAMESPACES = (
    kernel.CLONE_NEWNS | kernel.CLONE_NEWCGROUP | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET
)  # fmt: skip

# Machine: its number for the audit subsystem, and which column of the tables below is its own.
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# Newer calls have one number everywhere.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "unshare": (272, 97), "setns": (308, 268),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "acct": (163, 89),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "swapon": (167, 224), "swapoff": (168, 225), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "syslog": (103, 116), "sethostname": (170, 161), "setdomainname": (171, 162),
    "settimeofday": (164, 170), "adjtimex": (159, 171), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "vhangup": (153, 58),
    "modify_ldt": (154, None), "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip
CLONE, CLONE3, MMAP = (56, 220), 435, (9, 222)
SOCKETS = ((41, 198), (53, 199))  # socket, socketpair


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def build(machine: str) -> list[tuple[int, int, int, int]]:
    """Return the filter for a machine as (code, jump if true, jump if false, constant).

    Raises:
        OSError: for a machine whose numbers are not known here.
    """
    if machine not in MACHINES:
        known = ", ".join(MACHINES)
        raise OSError(errno.ENOSYS, f"no filter of system calls for {machine}, only for {known}")
    audit, column = MACHINES[machine]
    refuse = (RETURN, 0, 0, ERROR | errno.EPERM)
    allow = (RETURN, 0, 0, ALLOW)

    def argument(index: int) -> tuple[int, int, int, int]:
        return (LOAD, 0, 0, ARGUMENTS + 8 * index)

    lines = [(LOAD, 0, 0, MACHINE), (EQUAL, 1, 0, audit), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    if machine == "x86_64":
        lines += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
    for numbers in REFUSED.values():
        if (number := numbers[column]) is not None:
            lines += [(EQUAL, 0, 1, number), refuse]
    # Its flags lie in memory, where a filter cannot look: C libraries then fall back to clone.
    lines += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, ERROR | errno.ENOSYS)]
    lines += [(EQUAL, 0, 4, CLONE[column]), argument(0), (ANY_BIT, 0, 1, NAMESPACES), refuse, allow]
    for socket in SOCKETS:
        lines += [(EQUAL, 0, 4, socket[column]), argument(0), (EQUAL, 1, 0, AF_UNIX), refuse, allow]
    # Shared memory without a file can outlive every mapping that would show it.
    lines += [(EQUAL, 0, 5, MMAP[column]), argument(3), (ANY_BIT, 0, 2, MAP_ANONYMOUS)]
    lines += [(ANY_BIT, 0, 1, MAP_SHARED), refuse, allow]
    return [*lines, allow]


def install() -> None:
    """Refuse those calls from now on, here and in every process that comes of this one."""
    lines = [_Instruction(*line) for line in build(platform.machine())]
    program = _Program(len(lines), (_Instruction * len(lines))(*lines))
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)
    kernel.call("prctl", PR_SET_SECCOMP, ctypes.c_ulong(MODE_FILTER), ctypes.byref(program), 0, 0)
