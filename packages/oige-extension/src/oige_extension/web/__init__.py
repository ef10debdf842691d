"""The panel as a web page, on the server of the viewer."""

from oige_extension.web.host import WebHost
from oige_extension.web.page import PanelPage

__all__ = ["PanelPage", "WebHost"]
