"""Addresses of checkpoints that are refused before anything is downloaded."""

import pytest
from file_server import error_of

ADDRESSES = {
    "ftp://example.org/Ant.pth": (
        "checkpoint=ftp://example.org/Ant.pth: expected a file, or an address that begins with https, http, hf or "
        "omniverse."
    ),
    "https://example.org": (
        "checkpoint=https://example.org: expected a server and the path of a file, https://<server>/<path>."
    ),
    "https://me:secret@example.org/Ant.pth": (
        "checkpoint=https://example.org/Ant.pth: expected an address without a password, because runs record it; put "
        "the password into ~/.netrc."
    ),
    "https://example.org/a\nb.pth": (
        "checkpoint='https://example.org/a\\nb.pth': expected an address without line breaks and control characters."
    ),
    "https://example.org/Ant.ONNX?download=true": (
        "checkpoint=https://example.org/Ant.ONNX?download=true: expected a .pth file; an exported policy needs its "
        "contract, so download both and give the local file."
    ),
    "hf://owner/repository/Ant.onnx@v1": (
        "checkpoint=hf://owner/repository/Ant.onnx@v1: expected a .pth file; an exported policy needs its contract, so "
        "download both and give the local file."
    ),
    "hf://owner/repository/../Ant.pth": (
        "checkpoint=hf://owner/repository/../Ant.pth: expected hf://<owner>/<repository>/<path of the "
        "file>@<revision>, of which @<revision> may be left out."
    ),
    "https://example.org/Ant.pth#md5=0": (
        "checkpoint=https://example.org/Ant.pth#md5=0: expected #sha256= and 64 hexadecimal digits after the address, "
        "or nothing."
    ),
    "https://example.org/policy.onnx": (
        "checkpoint=https://example.org/policy.onnx: expected a .pth file; an exported policy needs its contract, so "
        "download both and give the local file."
    ),
    "hf://owner/repository": (
        "checkpoint=hf://owner/repository: expected hf://<owner>/<repository>/<path of the file>@<revision>, of which "
        "@<revision> may be left out."
    ),
    "hf://datasets/owner/repository/Ant.pth": (
        "checkpoint=hf://datasets/owner/repository/Ant.pth: expected a model repository, "
        "hf://<owner>/<repository>/<path of the file>@<revision>, of which @<revision> may be left out."
    ),
}


@pytest.mark.parametrize(("address", "expected"), ADDRESSES.items(), ids=ADDRESSES)
def test_wrong_address_is_refused_in_one_line(address: str, expected: str) -> None:
    assert error_of(address) == expected
