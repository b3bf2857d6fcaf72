#!/usr/bin/env python3
"""Writes crates/kiln/start.ld: which functions run in every start, for the linker to put together.

    scripts/start-order.py LOG...

Each LOG is what gdb wrote when it was called so, with the release program and any makefiles:

    START_LOG=LOG gdb -q -batch -x scripts/start-order.py --args target/release/kiln make ...

There each function of the program has a breakpoint that notes its name once and is taken away. Names
that a later compiler or source no longer has match nothing and do no harm; a function that is missing
lies elsewhere and costs a page or two. So this need not be run again for every change.
"""

import os
import re
import subprocess
import sys

HEAD = """/* The functions that run in every start, together, so that few pages of the program's text are
   read. Made by scripts/start-order.py. Hashes that change with every compilation are left out. */
"""


def symbols(program):
    text = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    words = (line.split() for line in text.splitlines())
    return {int(w[0], 16): w[2] for w in words if len(w) == 3 and w[1] in "tTwW"}


def note():
    """Within gdb: notes the functions that are called."""
    seen = []

    class Once(gdb.Breakpoint):
        def __init__(self, address, name):
            super().__init__("*%#x" % address, internal=True)
            self.name = name

        def stop(self):
            seen.append(self.name)
            self.enabled = False
            return False

    for line in ("pagination off", "confirm off", "print thread-events off"):
        gdb.execute("set " + line)
    for address, name in symbols(gdb.current_progspace().filename).items():
        Once(address, name)
    gdb.execute("run")
    with open(os.environ["START_LOG"], "a") as log:
        log.write("".join(name + "\n" for name in seen))


def pattern(name):
    """The section of a Rust function, without what names one compilation."""
    name = re.sub(r"17h[0-9a-f]{16}E(\.llvm\.\d+|\.cold)?$", "17h*", name)
    name = re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)
    return ".text." + name


def members(archive):
    """Which member of an archive defines a function."""
    text = subprocess.run(["nm", "-A", archive], capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        m = re.match(r".*:([^:]+\.o):[0-9a-f]+ [tTwWi] (\S+)$", line)
        if m:
            found.setdefault(m[2], m[1])
    return found


def main(logs):
    names = dict.fromkeys(line.strip() for log in logs for line in open(log))
    libc = subprocess.run(["cc", "-print-file-name=libc.a"], capture_output=True, text=True)
    member = members(libc.stdout.strip())
    lines = {}
    for name in names:
        if name.startswith(("_ZN", "_RN")):
            lines["*(%s)" % pattern(name)] = None
        elif name in member:
            lines["*libc.a:%s(.text .text.*)" % member[name]] = None
    out = HEAD + "SECTIONS\n{\n  .text.start : {\n"
    out += "".join("    %s\n" % line for line in sorted(lines))
    out += "  }\n}\nINSERT BEFORE .text;\n"
    path = os.path.join(os.path.dirname(__file__), "../crates/kiln/start.ld")
    open(path, "w").write(out)


try:
    import gdb

    note()
except ImportError:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
