#!/usr/bin/env python3
"""Writes GNU make's answers into the cases: record.py /path/to/make [FILE...]."""
import glob, os, re, shutil, subprocess, sys, tempfile

make, files = sys.argv[1], sys.argv[2:] or sorted(glob.glob(os.path.dirname(os.path.abspath(__file__)) + "/*.txt"))
env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
for path in files:
    cases = []
    for part in re.split(r"\n\n(?==== )", open(path).read().strip()):
        out, makefile = [], []
        where = tempfile.mkdtemp()
        for line in part.split("\n"):
            if line.startswith("| "):
                continue
            out.append(line)
            if line.startswith("$ make"):
                with open(where + "/Makefile", "w") as f:
                    f.write("\n".join(makefile) + "\n")
                os.utime(where + "/Makefile", (1000, 1000))
                args = [make.rsplit("/", 1)[-1], "-rR"] + line[6:].split()
                p = subprocess.run(["make"] + args[1:], executable=make, cwd=where, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                out += ["| " + l for l in p.stdout.splitlines()] + ["| [%d]" % p.returncode]
            elif line.startswith("$ "):
                command = re.sub(r"touch@(\S+)", r"touch -d @\1", line[2:])
                subprocess.run(["sh", "-c", command.replace("ln ", "ln -s ").replace("mkdir", "mkdir -p")], cwd=where, env=env, check=True)
            elif not line.startswith("=== "):
                makefile.append(line)
        shutil.rmtree(where)
        cases.append("\n".join(out))
    with open(path, "w") as f:
        f.write("\n\n".join(cases) + "\n")
