"""The Kit extension ``oige.extension``: a folder that Isaac Sim loads, made from the installed packages."""

from oige_extension.kit.folder import EXTENSION_NAME, write_extension

__all__ = ["EXTENSION_NAME", "write_extension"]
