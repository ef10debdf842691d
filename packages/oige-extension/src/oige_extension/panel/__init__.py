"""The panel: pick a task, load it, train it, play its policy. Plain Python, without a user interface."""

from oige_extension.panel.host import PanelHost
from oige_extension.panel.model import Panel
from oige_extension.panel.state import MAX_ENVS, PanelState, Phase, Rendering

__all__ = ["MAX_ENVS", "Panel", "PanelHost", "PanelState", "Phase", "Rendering"]
