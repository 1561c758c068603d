"""Start claudedesk from a checkout. The first start sets it up in .venv beside this file.

    python run.py [ARGS]                   does what `claudedesk ARGS` does
    python run.py test [PYTEST ARGS]       runs the tests
    python run.py --with-window [...]      the same, with the window's own web engine on Linux (about 700 MB)

Standard library only, and no syntax newer than Python 3.6: an old Python must get a sentence, not a
SyntaxError. So type hints are strings, and newer calls come only after main() has looked at the version.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Type checkers know this name; importing typing for it would cost each start some milliseconds.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

OLDEST = (3, 11)
WINDOWS = os.name == "nt"
ROOT = os.path.dirname(os.path.realpath(__file__))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, ".claudedesk-setup.json")
LOCK = os.path.join(VENV, ".claudedesk-setup.lock")
INPUTS = ("setup.cfg", "pyproject.toml", "constraints.txt")
# What pip says when it is the road that is missing and not the package.
NO_NETWORK = (
    "(from versions: none)",
    "CERTIFICATE_VERIFY_FAILED",
    "Connection refused",
    "ConnectTimeout",
    "Max retries exceeded",
    "Name or service not known",
    "Network is unreachable",
    "NewConnectionError",
    "ProxyError",
    "Read timed out",
    "ReadTimeoutError",
    "SSLError",
    "Temporary failure in name resolution",
    "getaddrinfo failed",
)
FOREIGN_PYTHON = ("PYTHONHOME", "__PYVENV_LAUNCHER__")
PROBE = """
import importlib.util, json, sys
spec = importlib.util.find_spec("claudedesk")
pip = importlib.util.find_spec("pip")
print(json.dumps(["%d.%d" % sys.version_info[:2], bool(pip), spec and spec.origin]))
"""


class SetupError(Exception):
    """A set-up that cannot go on; the message is for the user and says what to do."""


def main(arguments: "list[str]") -> int:
    """Set up what is missing, then become the program that was asked for."""
    if sys.version_info[:2] < OLDEST:
        return complain(old_python())
    extras, command = plan(arguments)
    try:
        set_up(extras)
    except SetupError as error:
        return complain(str(error))
    except OSError as error:
        return complain(f"The set-up failed: {error}.")
    except KeyboardInterrupt:
        complain("The set-up was stopped. The next start begins it again.")
        return 130
    return hand_over(command)


def plan(arguments: "list[str]") -> "tuple[set[str], list[str]]":
    """Split the command line into the extras to install and the arguments for .venv's Python."""
    extras = set()
    rest = list(arguments)
    if rest[:1] == ["--with-window"]:
        extras.add("window")
        del rest[0]
    if rest[:1] == ["test"]:
        extras.add("test")
        # From the project's folder, wherever the user stands: that is where the settings of the tests are.
        os.chdir(ROOT)
        return extras, ["-m", "pytest", *pytest_arguments(rest[1:])]
    # -P: a file called flask.py in the folder where the user stands is not our flask.
    return extras, ["-P", "-m", "claudedesk", *rest]


def pytest_arguments(given: "list[str]") -> "list[str]":
    """Add two workers, unless the user chose otherwise or asked for a single test."""
    for argument in given:
        if argument.startswith(("-n", "--numprocesses", "--dist", "--pdb", "--trace")) or "::" in argument:
            return given
    return ["-n", "2", "--dist", "loadgroup", *given]


def set_up(extras: "set[str]") -> None:
    """Make .venv hold claudedesk and these extras. Costs some ten milliseconds when it already does."""
    if is_ready(extras):
        return
    os.makedirs(VENV, exist_ok=True)
    with one_at_a_time() as lock:
        if is_ready(extras):
            return
        started = time.monotonic()
        install(extras, lock)
        if not is_ready(extras):
            raise SetupError(f"The set-up ended, but {VENV} does not work. Delete it and start again.")
        say(f"ready after {time.monotonic() - started:.0f} s")


def is_ready(extras: "set[str]") -> bool:
    """Tell whether .venv is whole, of this place, this Python and these files, and has the extras."""
    stamp = read_stamp()
    return (
        stamp.get("state") == "ready"
        and stamp.get("place") == place()
        and stamp.get("inputs") == inputs()
        and extras <= set(stamp["extras"])
        and look_inside()[2]
    )


def install(extras: "set[str]", lock: int) -> None:
    """Make .venv if it cannot be kept, and install into it. Interrupted, it leaves the state `building`."""
    stamp = read_stamp()
    keep = can_keep(stamp)
    stamp = {
        "state": "building",
        "made_here": bool(stamp.get("made_here", False)) if keep else True,
        "place": place(),
        "inputs": inputs(),
        "extras": stamp.get("extras", []),
    }
    write_stamp(stamp)
    if not keep:
        make_venv(lock)
    elif not look_inside()[1]:
        call([venv_python(), "-m", "ensurepip"], lock, "Adding pip to .venv")
    extras = extras | set(stamp["extras"])
    say("installing the packages; this takes about a minute, once")
    target = f".[{','.join(sorted(extras))}]" if extras else "."
    pip = [venv_python(), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    call([*pip, "-c", "constraints.txt", "-e", target], lock, "Installing the packages")
    write_stamp(dict(stamp, state="ready", extras=sorted(extras)))


def can_keep(stamp: "dict[str, Any]") -> bool:
    """Tell whether .venv can be installed into. Raises SetupError where it is another tool's and cannot."""
    version, _, _ = look_inside()
    if stamp.get("made_here"):
        return stamp.get("state") == "ready" and stamp.get("place") == place() and version == this_python()
    if not set(os.listdir(VENV)) - {os.path.basename(LOCK), os.path.basename(STAMP)}:
        return False
    if version == this_python():
        return True
    if not version and os.path.isfile(os.path.join(VENV, "pyvenv.cfg")):
        return False  # its Python is gone: it serves nobody any more
    kind = "is for Python " + version if version else "is no virtual environment"
    raise SetupError(
        f"{VENV} was not made by run.py and {kind}; this is Python {this_python()}. "
        "Rename or delete that folder and start again."
    )


def make_venv(lock: int) -> None:
    """Empty .venv and make it anew with the Python that runs this file."""
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        raise SetupError(
            "This Python cannot make virtual environments. On Debian and Ubuntu that takes a package of its "
            f"own: sudo apt install python{this_python()}-venv"
        )
    say(f"making .venv for Python {this_python()}")
    for entry in os.scandir(VENV):
        if entry.path in (STAMP, LOCK):
            continue
        try:
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        except OSError as error:
            raise SetupError(f"{error}. Close what is running from .venv and start again.") from error
    # Started from .venv itself, sys.executable would be what was just deleted.
    python = getattr(sys, "_base_executable", None) or sys.executable
    call([python, "-m", "venv", VENV], lock, "Making .venv")


def call(command: "list[str]", lock: int, step: str) -> None:
    """Run one step of the set-up quietly. Raises SetupError, after showing the output, when it fails."""
    # Should this process be killed, the step goes on as an orphan: with the lock in its hands nobody meddles.
    # A session of its own lets Ctrl-C end the step with all that it started, not its first process alone.
    posix = {} if WINDOWS else {"pass_fds": (lock,), "start_new_session": True}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **posix,  # type: ignore[call-overload]
    )
    with process:
        try:
            output = wait_for(process)
        except BaseException:
            stop(process)
            raise
    if process.returncode:
        text = output.decode("utf-8", "replace").strip()
        print(text, file=sys.stderr, flush=True)
        raise SetupError(explain(step, text))


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a step at once. On Windows Ctrl-C has already reached what the step started."""
    if WINDOWS:
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(process: "subprocess.Popen[bytes]") -> bytes:
    """Wait for the process, with a sign of life every 20 s, and return its output."""
    started = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=20)[0]
        except subprocess.TimeoutExpired:
            say(f"still at it after {time.monotonic() - started:.0f} s")


def explain(step: str, output: str) -> str:
    """Say in one sentence what a failed step means for the user."""
    if "No space left" in output or "not enough space" in output:
        return step + " failed: the disk is full. Free about 1 GB and start again."
    if any(sign in output for sign in NO_NETWORK):
        return (
            step + " failed: the packages could not be fetched. The first start needs the network. Behind a "
            "proxy set HTTPS_PROXY, with a certificate of your own PIP_CERT, then start again."
        )
    return step + " failed; what went wrong stands above. Start again once it is put right."


@contextlib.contextmanager
def one_at_a_time() -> "Iterator[int]":
    """Hold the lock of the set-up. The system frees it when its holders are gone, so it cannot go stale."""
    handle = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        waiting = False
        while not try_lock(handle):
            if not waiting:
                say("another start is setting up .venv; waiting for it")
            waiting = True
            time.sleep(0.2)
        yield handle
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Take the lock if it is free."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Windows says "taken" this way. Elsewhere it is a share without locks: better none than no start.
        return not WINDOWS
    return True


def look_inside() -> "tuple[str, bool, bool]":
    """Ask .venv's Python for its version ("" if it does not start), and if it has pip and this claudedesk."""
    try:
        answer = subprocess.run(
            [venv_python(), "-I", "-c", PROBE],
            env=child_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        version, pip, origin = json.loads(answer.stdout.decode("ascii"))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return "", False, False
    return version, pip, bool(origin) and os.path.realpath(origin).startswith(ROOT + os.sep)


def place() -> "dict[str, str]":
    """Name what a virtual environment cannot outlive: its folder, its Python, its machine's kind."""
    return {"folder": os.path.normcase(ROOT), "python": this_python(), "platform": sysconfig.get_platform()}


def inputs() -> str:
    """Hash the files that say what gets installed."""
    digest = hashlib.sha256()
    for name in INPUTS:
        try:
            with open(os.path.join(ROOT, name), "rb") as file:
                content = file.read()
        except FileNotFoundError:
            raise SetupError(f"{name} is missing beside run.py. Fetch the project again.") from None
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def read_stamp() -> "dict[str, Any]":
    """Return what the last set-up noted, or nothing when there is none or it cannot be read."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            stamp = json.load(file)
    except (OSError, ValueError):
        return {}
    whole = isinstance(stamp, dict) and isinstance(stamp.get("extras"), list)
    return stamp if whole else {}


def write_stamp(stamp: "dict[str, Any]") -> None:
    """Note the state of .venv, all or nothing."""
    with open(STAMP + ".new", "w", encoding="utf-8") as file:
        json.dump(stamp, file)
    os.replace(STAMP + ".new", STAMP)


def child_environment() -> "dict[str, str]":
    """Return our environment without the two variables that tie a Python to another one's library."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN_PYTHON}


def venv_python() -> str:
    """Return the path of .venv's Python."""
    return os.path.join(VENV, "Scripts", "python.exe") if WINDOWS else os.path.join(VENV, "bin", "python")


def this_python() -> str:
    """Return the version of the running Python, as in `3.11`."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def old_python() -> str:
    """Say that this Python is too old, and name a newer one if there is one."""
    text = f"claudedesk needs Python {OLDEST[0]}.{OLDEST[1]} or newer, and this is Python {this_python()}."
    for minor in range(30, OLDEST[1] - 1, -1):
        name = f"python3.{minor}"
        if shutil.which(name):
            return f"{text} You have a newer one; start with: {name} run.py"
    return text + " Get a newer one from https://www.python.org/downloads/ or your system's packages."


def hand_over(arguments: "list[str]") -> int:
    """Become .venv's Python; on Windows, which cannot, run it and return its exit code."""
    command = [venv_python(), *arguments]
    if not WINDOWS:
        os.execve(command[0], command, child_environment())
    process = subprocess.Popen(command, env=child_environment())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the child by itself, and the child decides
    return process.wait()


def say(text: str) -> None:
    """Report progress on stderr, so that stdout stays the program's own."""
    print("claudedesk: " + text, file=sys.stderr, flush=True)


def complain(text: str) -> int:
    """Report what went wrong and return the exit code for it."""
    say(text)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
