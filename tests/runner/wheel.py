"""Puts a built native library and the files of an sdist together as a wheel.

Maturin would compile the core once more for it; the library of the one build is taken instead.
Names, versions and dependencies are those that maturin wrote into the sdist.
"""

import argparse
import base64
import hashlib
import tarfile
import zipfile
from pathlib import Path

PYTHON = "cp310-abi3"
STAMP = (1980, 1, 1, 0, 0, 0)


def read_sdist(path: Path) -> tuple[str, bytes, dict[str, bytes]]:
    """Returns name-version, the metadata, and the files of the package."""
    files = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            stream = archive.extractfile(member)
            if stream is not None:
                files[member.name] = stream.read()
    root = next(iter(files)).split("/")[0]
    package = {
        name.removeprefix(f"{root}/"): text
        for name, text in files.items()
        if name.startswith(f"{root}/hubless/")
    }
    # The guide goes where documents of installed packages are, not among the modules.
    for name, text in files.items():
        if name.startswith(f"{root}/docs/"):
            below = name.removeprefix(f"{root}/docs/")
            package[f"{root}.data/data/share/doc/hubless/{below}"] = text
    return root, files[f"{root}/PKG-INFO"], package


def with_licences(metadata: bytes, names: list[str]) -> bytes:
    """Adds the lines that name the licence files to the end of the headers."""
    head, _, body = metadata.partition(b"\n\n")
    lines = "".join(f"\nLicense-File: {name}" for name in names)
    return head + lines.encode() + b"\n\n" + body


def record(files: dict[str, bytes], own: str) -> bytes:
    lines = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(text)}\n")
    return "".join([*lines, f"{own},,\n"]).encode()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sdist", type=Path, required=True)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--notices", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--platform", action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    root, metadata, files = read_sdist(options.sdist)
    files["hubless/_core.abi3.so"] = options.library.read_bytes()
    pages = sorted(path for path in options.reference.rglob("*") if path.is_file())
    for path in pages:
        below = path.relative_to(options.reference).as_posix()
        files[f"{root}.data/data/share/doc/hubless/reference/{below}"] = path.read_bytes()
    info = f"{root}.dist-info"
    notices = sorted(path for path in options.notices.iterdir())
    licences = [path for path in notices if path.suffix != ".json"]
    files[f"{info}/METADATA"] = with_licences(metadata, [path.name for path in licences])
    tags = [f"Tag: {PYTHON}-{platform}\n" for platform in options.platform]
    head = "Wheel-Version: 1.0\nGenerator: hubless\nRoot-Is-Purelib: false\n"
    files[f"{info}/WHEEL"] = "".join([head, *tags]).encode()
    for path in notices:
        folder = "licenses" if path in licences else "sboms"
        files[f"{info}/{folder}/{path.name}"] = path.read_bytes()
    own = f"{info}/RECORD"
    files[own] = record(files, own)

    name = f"{root}-{PYTHON}-{'.'.join(options.platform)}.whl"
    with zipfile.ZipFile(options.out / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path, STAMP)
            entry.external_attr = (0o755 if path.endswith(".so") else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)


if __name__ == "__main__":
    main()
