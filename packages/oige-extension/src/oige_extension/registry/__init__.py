"""Registries of Kit extensions: static files that Isaac Sim reads over HTTP or from a folder."""

from oige_extension.registry.compare import compare
from oige_extension.registry.package import Entry, Package, RegistryError
from oige_extension.registry.reader import Registry
from oige_extension.registry.verify import verify
from oige_extension.registry.writer import build_registry

__all__ = ["Entry", "Package", "Registry", "RegistryError", "build_registry", "compare", "verify"]
