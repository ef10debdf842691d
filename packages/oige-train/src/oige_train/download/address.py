"""Addresses of files, and errors that name them."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from oige_core.errors import OigeError

__all__ = ["Address", "DownloadError", "UnreachableError", "is_address"]

SCHEMES = ("https", "http", "hf", "omniverse")
SHA256 = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
LONGEST_NAME = 100


class DownloadError(OigeError):
    """A file cannot be downloaded, or is not the one that was published."""


class UnreachableError(Exception):
    """A server cannot be reached, or cannot answer now."""


def is_address(text: str) -> bool:
    """Whether a user gave an address, ``scheme://…``, rather than a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


@dataclass(frozen=True)
class Address:
    """An address as a user typed it, without the backslashes that precede ``=`` on command lines of OmniIsaacGymEnvs.

    Attributes:
        text: the whole address.
        url: the address without ``#sha256=…``.
        scheme: one of ``SCHEMES``.
        sha256: the SHA-256 of the file in lower-case hexadecimal, if the address has it.
    """

    text: str
    url: str
    scheme: str
    sha256: str | None

    @classmethod
    def of(cls, typed: str) -> "Address":
        """Return the address that a user typed.

        Raises:
            DownloadError: it has another scheme, a password, something else than ``sha256=`` after ``#``, control
                characters such as line breaks, or names an exported policy, which needs its contract.
        """
        text = typed.replace("\\", "")
        shown = f"checkpoint={text}"
        if not text.isprintable():
            raise DownloadError(f"checkpoint={text!r}: expected an address without line breaks and control characters.")
        url, hash_sign, fragment = text.partition("#")
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise DownloadError(f"{shown}: not an address ({error}).") from error
        if parts.scheme not in SCHEMES:
            raise DownloadError(
                f"{shown}: expected a file, or an address that begins with {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}."
            )
        if not parts.netloc or not parts.path.strip("/"):
            raise DownloadError(f"{shown}: expected a server and the path of a file, {parts.scheme}://<server>/<path>.")
        if parts.password is not None:
            raise DownloadError(
                f"checkpoint={parts.scheme}://{parts.hostname}{parts.path}: expected an address without a password, "
                "because runs record it; put the password into ~/.netrc."
            )
        key, equals, value = fragment.partition("=")
        if hash_sign and not (key == "sha256" and equals and SHA256.fullmatch(value)):
            raise DownloadError(f"{shown}: expected #sha256= and 64 hexadecimal digits after the address, or nothing.")
        if re.search(r"\.onnx(@[^/]*)?\Z", parts.path, re.IGNORECASE):
            raise DownloadError(
                f"{shown}: expected a .pth file; an exported policy needs its contract, so download both and give the "
                "local file."
            )
        return cls(text, url, parts.scheme, value.lower() or None)

    @property
    def shown(self) -> str:
        """The beginning of messages."""
        return f"checkpoint={self.text}"

    @property
    def name(self) -> str:
        """Name for the file on this machine: letters, digits and ``.-_=[]()`` of the last part of the path."""
        last = unquote(urlsplit(self.url).path).rpartition("/")[2]
        name = re.sub(r"[^\w.\-=\[\]()]", "_", last).strip(".")[-LONGEST_NAME:] or "checkpoint"
        return name if name.endswith((".pth", ".pt")) else f"{name}.pth"
