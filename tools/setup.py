#!/usr/bin/env python3
"""Puts libtorch where the build finds it. `make setup` calls this; it needs python3 (3.8 or later) with pip, nothing else.

libtorch comes out of the `torch` wheel of the Python package index, which pip is asked for by name; `libtorch.json`
pins every file by its sha256 and says what is kept of it. What is kept goes into a cache folder outside the clone,

    $WASABI_CACHE, else $XDG_CACHE_HOME/wasabi, else ~/.cache/wasabi

under a name made from the version and from what was pinned, so that a second clone finds it there; `.libtorch` in the
clone is a link to it. The folder is made under another name, verified, and renamed in one step: a setup that is killed at
any instant leaves nothing that could be taken for libtorch. A lock file keeps two setups from doing the work twice.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
LICENCES = ("*.dist-info/licenses/*", "*.dist-info/License.txt")
RECORD = "files.json"  # the size of every file: tells a whole folder from a damaged one
SPARE_BYTES = 100_000_000  # left free on the disk, so that the build that follows can at least say what is wrong
# A power cut may leave a name over empty files: the record then tells by their sizes. Large files, where a hole in the middle
# would not show, are on the disk before the folder gets its name. (os.sync would wait for the whole machine.)
LARGE_BYTES = 1_000_000


class Refusal(Exception):
    """Something that the user must know or do; printed without a traceback."""


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    cache = cache_folder(os.environ)
    try:
        check_platform()
        manifest = json.loads(options.manifest.read_text(encoding="utf-8"))
        parts = ["cpu", "cuda"] if options.cuda else ["cpu"]
        with lock(cache) as alone:
            if alone:
                remove_leftovers(cache)
            folders = [install(manifest, part, cache, options.wheels) for part in parts]
            shutil.rmtree(cache / "wheels", ignore_errors=True)
        link(options.root / ".libtorch", folders[0])
    except Refusal as refusal:
        print(f"setup: {refusal}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"setup: {where}{error.strerror or error}; is {cache} a folder that you may write to, with space left?\n"
              "  another one: WASABI_CACHE=<folder> make setup", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; nothing half-made is left, `make setup` starts again", file=sys.stderr)
        return 130
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="setup.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cuda", action="store_true", help="also fetch what an NVIDIA GPU needs (2.5 GB)")
    parser.add_argument("--wheels", type=Path, help="take the wheels from this folder instead of asking pip")
    parser.add_argument("--root", type=Path, default=ROOT, help="the clone that gets the link `.libtorch`")
    parser.add_argument("--manifest", type=Path, default=ROOT / "tools" / "libtorch.json", help="what is pinned")
    return parser.parse_args(arguments)


def check_platform() -> None:
    if sys.version_info < (3, 8):
        raise Refusal(f"python3 is {platform.python_version()}, needed 3.8 or later")
    here = f"{platform.system()} on {platform.machine()}"
    if here == "Linux on x86_64" and platform.libc_ver()[0] == "glibc":
        return
    raise Refusal(
        f"the pinned libtorch is for Linux on x86_64 with glibc 2.28 or later; this is {here}.\n"
        "  elsewhere: install torch 2.11.0 for Python, and build against it with\n"
        "  LIBTORCH=<its folder `torch`> cargo build --release    (not tested by this project)"
    )


def cache_folder(environment: "os._Environ[str] | dict[str, str]") -> Path:
    """`src/device/doctor.rs` looks into the same folder."""
    if environment.get("WASABI_CACHE"):
        return Path(environment["WASABI_CACHE"]).absolute()
    if environment.get("XDG_CACHE_HOME"):
        return Path(environment["XDG_CACHE_HOME"]).absolute() / "wasabi"
    return Path.home() / ".cache" / "wasabi"


@contextmanager
def lock(cache: Path):
    """Holds the cache's lock; the system frees it when the process ends, however it ends. Gives whether it is held:
    some network disks have no locks, and there two setups do the work twice, and the first to end wins."""
    import fcntl

    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another setup is at work in {cache}: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
            return
        yield True


def remove_leftovers(cache: Path) -> None:
    """What a killed setup left behind. Called with the lock held, so nobody is using it."""
    for folder in cache.glob(".partial-*"):
        shutil.rmtree(folder, ignore_errors=True)


def install(manifest: dict, part: str, cache: Path, wheels: "Path | None") -> Path:
    """The folder of that part, complete: found, or made."""
    content = manifest["parts"][part]
    version = manifest["version"]
    pinned = json.dumps([[wheel["sha256"], wheel["keep"]] for wheel in content["wheels"]])
    key = hashlib.sha256(pinned.encode()).hexdigest()[:12]
    target = cache / f"libtorch-{version}-{part}-{key}"
    if target.is_dir():
        damage = damaged(target)
        if damage is None:
            return target
        say(f"{target} is damaged ({damage}): making it anew")
    check_space(cache, content, wheels)
    say(f"libtorch {version}, {part}: {content['about']}")
    partial = Path(tempfile.mkdtemp(prefix=f".partial-{target.name}-", dir=cache))
    try:
        for wheel in content["wheels"]:
            unpack(fetch(wheel, cache, partial, wheels), wheel, partial / "new")
        (partial / "new" / "torch").mkdir(parents=True, exist_ok=True)
        # torch-sys compares it with the version that it was written for.
        (partial / "new" / "torch" / "build-version").write_text(f"{version}\n", encoding="utf-8")
        write_record(partial / "new")
        put(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    say(f"ready: {target}")
    return target


def put(partial: Path, target: Path) -> None:
    """Gives what was made its name."""
    if target.exists():
        if damaged(target) is None:
            return  # made by another setup meanwhile, on a disk without locks
        target.rename(partial / "damaged")
    (partial / "new").rename(target)


def damaged(folder: Path) -> "str | None":
    """What is wrong with a folder that once was complete."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"no {RECORD}"
    for name, size in record.items():
        try:
            if os.stat(folder / name).st_size != size:
                return f"{name} has another size"
        except OSError:
            return f"{name} is missing"
    return None


def write_record(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    record = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")


def check_space(cache: Path, content: dict, wheels: "Path | None") -> None:
    needed = content["unpacked_bytes"] + SPARE_BYTES
    if wheels is None:
        needed += sum(wheel["bytes"] for wheel in content["wheels"] if not (cache / "wheels" / wheel["file"]).exists())
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise Refusal(
            f"{cache} has {megabytes(free)} free, needed {megabytes(needed)}.\n"
            "  free some space, or name a folder on another disk: WASABI_CACHE=<folder> make setup"
        )


def fetch(wheel: dict, cache: Path, partial: Path, wheels: "Path | None") -> Path:
    """The wheel's file, verified; from the folder of wheels where one is given, else by pip."""
    if wheels is not None:
        path = wheels / wheel["file"]
        if not path.exists():
            raise Refusal(f"{path} is not there")
        verify(path, wheel)
        return path
    path = cache / "wheels" / wheel["file"]
    if path.exists():  # fetched by a setup that was interrupted later on, or for the other part
        try:
            verify(path, wheel)
            return path
        except Refusal:
            path.unlink()
    found = download(wheel, partial)
    verify(found, wheel)
    path.parent.mkdir(exist_ok=True)
    found.rename(path)
    return path


def download(wheel: dict, partial: Path) -> Path:
    spec = f"{wheel['name']}=={wheel['version']}"
    say(f"fetching {spec} ({megabytes(wheel['bytes'])})")
    folder = Path(tempfile.mkdtemp(prefix="download-", dir=partial))
    tags = wheel["file"][: -len(".whl")].split("-")[-1].split(".")
    command = [sys.executable, "-m", "pip", "download", spec, "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", "3.12", *(f"--platform={tag}" for tag in tags), "--dest", str(folder)]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar", "on" if sys.stderr.isatty() else "off"]
    # pip's own temporary files belong on the disk whose free space was checked.
    environment = {**os.environ, "TMPDIR": str(folder), "PIP_REQUIRE_VIRTUALENV": "0"}
    done = subprocess.run(
        command, env=environment, stdout=sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="replace", check=False,
    )
    if done.returncode != 0:
        raise Refusal(explain(spec, done.stderr))
    found = [path for path in folder.iterdir() if path.suffix == ".whl"]
    if [path.name for path in found] != [wheel["file"]]:
        names = ", ".join(path.name for path in found) or "nothing"
        raise Refusal(f"pip fetched {names} for {spec}, needed {wheel['file']}")
    return found[0]


def explain(spec: str, errors: str) -> str:
    if "No module named pip" in errors:
        return (
            f"{sys.executable} has no pip.\n"
            "  install it (Debian, Ubuntu: apt install python3-pip; Fedora: dnf install python3-pip),\n"
            "  or name a Python that has it: make setup PYTHON=<python>"
        )
    last = "\n".join(f"  pip: {line}" for line in errors.strip().splitlines()[-6:])
    return (
        f"pip could not fetch {spec}:\n{last}\n"
        "  is the network there, and the package index that pip is set to use? pip 20.3 or later is needed.\n"
        "  without a network: fetch the files that tools/libtorch.json names elsewhere, then make setup WHEELS=<folder>"
    )


def verify(path: Path, wheel: dict) -> None:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != wheel["sha256"]:
        raise Refusal(f"{path.name} has sha256 {digest.hexdigest()}, needed {wheel['sha256']}; it is not used")


def unpack(path: Path, wheel: dict, folder: Path) -> None:
    """Writes the kept members below `folder`; the zip's own check sums are checked on the way."""
    patterns = (*wheel["keep"], *LICENCES)
    kept = set()
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                pattern = next((one for one in patterns if fnmatch.fnmatchcase(member.filename, one)), None)
                if member.is_dir() or pattern is None:
                    continue
                name = PurePosixPath(member.filename)
                if name.is_absolute() or ".." in name.parts:
                    raise Refusal(f"{path.name} holds a path that leads out of its folder: {name}")
                kept.add(pattern)
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                    if member.file_size >= LARGE_BYTES:
                        sink.flush()
                        os.fsync(sink.fileno())
    except (zipfile.BadZipFile, EOFError) as error:
        raise Refusal(f"{path.name} cannot be unpacked: {error}") from error
    for pattern in wheel["keep"]:
        if pattern not in kept:
            raise Refusal(f"{path.name} holds nothing named {pattern}")


def link(place: Path, target: Path) -> None:
    """Points `.libtorch` at the folder, in one step."""
    if place.is_symlink() and os.readlink(place) == str(target):
        return
    if place.exists() and not place.is_symlink():
        raise Refusal(f"{place} is in the way (not a link): move it, then `make setup`")
    new = place.with_name(f"{place.name}-{os.getpid()}.tmp")
    new.symlink_to(target)
    os.replace(new, place)
    say(f"{place} -> {target}")


def megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
