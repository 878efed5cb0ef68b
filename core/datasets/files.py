"""Files as people have them: their bytes, unpacked, and as text in whatever encoding they were written."""

import gzip
import hashlib
import importlib
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.bounded_files import read_bytes

BOMS = {  # longest first: that of UTF-32 begins like that of UTF-16
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
CONTROLS = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")  # that no text in an old encoding holds
MOST_BYTES = 4 << 30  # of a file of data, all of which is held in memory
SEEN = 4096  # bytes at the beginning by which UTF-16 is recognised
ARCHIVES = {b"PK\x03\x04": "a zip archive", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive"}


@dataclass(frozen=True)
class File:
    """What lies at a path."""

    name: str
    content: bytes  # unpacked
    digest: str  # sha256 of the file as it lies there

    @property
    def ending(self) -> str:
        """Of its name, without that of gzip."""
        return Path(self.name.removesuffix(".gz")).suffix.lower()

    @property
    def is_parquet(self) -> bool:
        return self.content.startswith(b"PAR1")

    def text(self) -> tuple[str, str]:
        """(text, name of its encoding), without a byte order mark. Raises ValueError if no encoding makes sense."""
        return decode(self.content, self.name)


def read_file(path: str | Path, what: str) -> File:
    """what: it should hold, for the error. Raises ValueError in words if it cannot be read."""
    path = Path(path).expanduser()
    try:
        content = read_bytes(path, MOST_BYTES)
    except ValueError as error:
        raise ValueError(f"{what} {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MOST_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path.name} is a broken gzip file ({error}): pack it anew") from error
        if len(content) > MOST_BYTES:
            raise ValueError(f"{path.name} unpacks to more than {MOST_BYTES:,} bytes: give a part of it")
    for mark, kind in ARCHIVES.items():
        if content.startswith(mark):
            raise ValueError(f"{path.name} is {kind}: unpack it, and give a file that was in it")
    return File(path.name, content, digest)


def decode(content: bytes, name: str) -> tuple[str, str]:
    """(text, encoding): by its byte order mark, as UTF-8 or UTF-16, else as charset-normalizer judges."""
    encoding = next((encoding for mark, encoding in BOMS.items() if content.startswith(mark)), "")
    encoding = encoding or utf16_without_mark(content[:SEEN])
    try:
        return content.decode(encoding or "utf-8"), encoding or "utf-8"
    except UnicodeDecodeError as error:
        if encoding:
            raise ValueError(f"{name} begins as {encoding}, but byte {error.start:,} is no part of that") from error
        encoding = guess_encoding(content, name)
    text = content.decode(encoding)
    if CONTROLS.search(text):
        raise ValueError(f"{name} is no text: give a file of plain text, a table, JSON or parquet")
    return text, encoding


def utf16_without_mark(beginning: bytes) -> str:
    """Every second byte of Latin letters in UTF-16 is zero, and no other; "" if that is not so."""
    even, odd = beginning[::2].count(0), beginning[1::2].count(0)
    if max(even, odd) < max(1, len(beginning) // 5) or min(even, odd):
        return ""
    return "utf-16-le" if odd else "utf-16-be"


def guess_encoding(content: bytes, name: str) -> str:
    """The likeliest one-byte or Asian encoding. Few odd bytes tell little: if Western European makes sense, it is that.

    Raises ValueError if none makes sense.
    """
    normalizer = import_optional("charset_normalizer", f"{name} is not UTF-8 text; to tell its encoding")
    found = normalizer.from_bytes(content, cp_isolation=["cp1252"]).best() or normalizer.from_bytes(content).best()
    if found is None:
        raise ValueError(f"{name} is no text in any known encoding: save it as plain text in UTF-8")
    encoding: str = found.encoding
    same_in_latin1 = encoding == "cp1252" and not re.search(b"[\x80-\x9f]", content)
    return "latin-1" if same_in_latin1 else encoding


def import_optional(module: str, what: str) -> Any:
    """A package that training alone does not need. Raises ValueError that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0].replace("_", "-")
        raise ValueError(f"{what} needs the package {package}: pip install {package}") from error
