#!/usr/bin/env python3
"""Runs other people's clients against a real `eyot` process and says what held.

    run.py --eyot target/debug/eyot --work target/interop [WORD..]

Makes a virtual environment with what `requirements.txt` names, starts one server for the cases that share one,
runs every case whose sentence holds one of the words (all without words), prints a line per case and closes
with `N passed, N failed`. Nothing is skipped: a missing client is a failure.
"""

import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent


def enter_environment(work):
    """Goes on inside a virtual environment that holds the requirements; makes it when they changed."""
    home = work / "venv"
    python = home / "bin" / "python"
    if os.environ.get("EYOT_INTEROP_VENV") == str(home):
        return
    wanted = HERE / "requirements.txt"
    stamp = home / "requirements.sha256"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", wanted], check=True)
        stamp.write_text(digest)
    environment = {**os.environ, "EYOT_INTEROP_VENV": str(home)}
    os.execve(python, [str(python), *sys.argv], environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--eyot", required=True, type=pathlib.Path, help="the server program")
    parser.add_argument("--work", required=True, type=pathlib.Path, help="where data and the environment go")
    parser.add_argument("words", nargs="*", help="run only cases whose sentence holds one of these")
    args = parser.parse_args()
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    enter_environment(work)

    from cases import CASES
    import binding, desktop, first, kill, library, poezio_cases, profanity_cases, resume, suite  # noqa: F401  each adds its cases
    from server import Eyot

    chosen = [case for case in CASES if not args.words or any(word in case.sentence for word in args.words)]
    passed = failed = 0
    with Eyot(args.eyot.resolve(), work / "data") as shared:
        for case in chosen:
            start = time.monotonic()
            try:
                case.run(shared)
                passed += 1
                print(f"ok     {time.monotonic() - start:5.1f} s  {case.sentence}", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED {time.monotonic() - start:5.1f} s  {case.sentence}", flush=True)
                traceback.print_exc(file=sys.stdout)
        if failed:
            print("the server said last:\n" + shared.log_tail())
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
