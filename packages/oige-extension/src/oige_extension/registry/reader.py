"""Reading a registry as Isaac Sim does: fetch ``registry.gz``, compare hashes, fetch what changed, then archives."""

import io
import posixpath
import urllib.request
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from oige_extension.registry.layout import (
    INDEX,
    REGISTRY,
    ROOT,
    archive_page,
    content_hash,
    read_gzip_json,
    read_index,
    read_json,
    read_packages,
)
from oige_extension.registry.package import (
    Entry,
    MissingFileError,
    Package,
    RegistryError,
    is_older_kit,
    supports,
    version_key,
)
from oige_extension.replacing import replace_file, replaced_folder

__all__ = ["Registry"]

TIMEOUT = 30.0  # seconds
NOT_FOUND = 404


class Registry:
    """A registry at an address or in a folder.

    Args:
        location: ``http://…``, ``https://…``, ``file://…`` or a path.
    """

    def __init__(self, location: str | Path) -> None:
        self.location = str(location).rstrip("/")

    def read(self, name: str) -> bytes:
        """Return a file of the registry.

        Args:
            name: path in the registry, or an address.

        Raises:
            MissingFileError: there is no such file.
            RegistryError: it cannot be read.
        """
        place = name if "://" in name else f"{self.location}/{name}"
        parts = urlsplit(place)
        try:
            if parts.scheme in ("http", "https"):
                with urllib.request.urlopen(place, timeout=TIMEOUT) as response:
                    return response.read()
            return Path(url2pathname(parts.path) if parts.scheme == "file" else place).read_bytes()
        except OSError as error:
            missing = isinstance(error, FileNotFoundError) or getattr(error, "code", None) == NOT_FOUND
            reason = getattr(error, "reason", None) or error.strerror or error
            kind = MissingFileError if missing else RegistryError
            raise kind(f"{place}: expected a file, found: {reason}.") from error

    def has(self, name: str) -> bool:
        """Return whether there is such a file.

        Raises:
            RegistryError: it cannot be read, or the server cannot be reached.
        """
        try:
            self.read(name)
        except MissingFileError:
            return False
        return True

    def files(self) -> dict[str, str]:
        """Return the hash of each file that a client keeps, by path below ``v2``.

        Raises:
            RegistryError: ``registry.gz`` is missing or damaged.
        """
        files = read_gzip_json(self.read(REGISTRY), REGISTRY).get("files")
        if not isinstance(files, dict):
            raise RegistryError(f"{REGISTRY}: expected the table 'files', found {type(files).__name__}.")
        return files

    def sync(self, cache: Path) -> list[str]:
        """Bring a copy of the files that clients keep up to date.

        Args:
            cache: folder of the copy; it has the layout of the registry itself.

        Returns:
            The files that were fetched, as paths below ``v2``.

        Raises:
            RegistryError: a file is missing, or its hash is not the one that ``registry.gz`` names.
        """
        wanted = self.files()
        copy = Registry(cache)
        kept = copy.files() if copy.has(REGISTRY) else {}
        changed = [name for name in sorted(wanted) if kept.get(name) != wanted[name]]
        for name in changed:
            data = self.read(f"{ROOT}/{name}")
            if content_hash(data) != wanted[name]:
                raise RegistryError(f"{ROOT}/{name}: expected SHA-256 {wanted[name]}, found {content_hash(data)}.")
            replace_file(cache / ROOT / name, data)
        replace_file(cache / REGISTRY, self.read(REGISTRY))
        return changed

    def extensions(self) -> list[str]:
        """Return the names of the extensions in the layout 2.0."""
        return sorted(
            posixpath.basename(name).removesuffix(".gz") for name in self.files() if name.startswith("packages/")
        )

    def packages(self, extension: str) -> list[Entry]:
        """Return what the layout 2.0 says about the packages of an extension.

        Raises:
            RegistryError: the file of the extension is missing or damaged.
        """
        name = f"{ROOT}/packages/{extension}.gz"
        return [
            Entry(Package.parse(f"{extension}-{short_id}"), data, ROOT)
            for short_id, data in read_packages(self.read(name), name).items()
        ]

    def old_packages(self) -> list[Entry]:
        """Return what the single index says about packages; empty if there is none.

        Raises:
            RegistryError: the index is damaged.
        """
        if not self.has(INDEX):
            return []
        return [Entry(Package.parse(name), data, "") for name, data in read_index(self.read(INDEX), INDEX).items()]

    def resolve(self, extension: str, kit: str) -> Entry:
        """Return the package that a release of Kit takes: the newest version, built for the newest Kit.

        Raises:
            RegistryError: no package runs on that release.
        """
        if is_older_kit(kit) and self.has(INDEX):
            entries = [entry for entry in self.old_packages() if entry.package.name == extension]
        else:
            entries = self.packages(extension)
        fitting = [entry for entry in entries if supports(entry.package, kit)]
        if not fitting:
            there = ", ".join(sorted(entry.package.id for entry in entries)) or "none"
            raise RegistryError(f"{extension}: no package for Kit {kit}; there are: {there}.")
        return max(fitting, key=lambda entry: (version_key(entry.package.version), entry.package.target))

    def archive(self, entry: Entry) -> bytes:
        """Return the archive of a package.

        Raises:
            RegistryError: it is missing, or not what the registry says.
        """
        described = entry.data.get("package", {})
        path, expected = described.get("archivePath"), described.get("archiveHash")
        if not isinstance(path, str) or not isinstance(expected, str):
            raise RegistryError(f"{entry.package.id}: expected the texts package.archivePath and package.archiveHash.")
        name = path if "://" in path or not entry.root else f"{entry.root}/{path}"
        archive = self.read(name)
        found = content_hash(archive)
        if found != expected:
            raise RegistryError(f"{name}: expected SHA-256 {expected}, found {found}; build the registry again.")
        return archive

    def page(self, package: Package) -> dict[str, Any]:
        """Return the file that describes an archive.

        Raises:
            RegistryError: it is missing or damaged.
        """
        name = archive_page(package)
        return read_json(self.read(name), name)

    def install(self, extension: str, kit: str, folder: Path) -> Path:
        """Unpack an extension into a folder that Isaac Sim gets as ``--ext-folder``.

        Args:
            extension: its name.
            kit: release of Kit.
            folder: the extension gets a folder of its name there; an older version is replaced.

        Returns:
            The folder of the extension.

        Raises:
            RegistryError: no package fits, or its archive is missing or damaged.
        """
        archive = self.archive(self.resolve(extension, kit))
        target = folder / extension
        if target.exists() and not (target / "config" / "extension.toml").is_file():
            raise RegistryError(f"{target}: exists and is no Kit extension; choose another folder, or remove it.")
        with replaced_folder(target) as new, zipfile.ZipFile(io.BytesIO(archive)) as contents:
            contents.extractall(new)
        return target
