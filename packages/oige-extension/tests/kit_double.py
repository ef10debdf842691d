"""Stand-ins for Kit's modules that record what the extension does, and refuse names that are not in :data:`SOURCES`.

The sources are NVIDIA's documentation of Kit and the public sources of Isaac Sim 5.0.0 and 6.0.1. A stand-in shows that
the extension keeps to these names; whether Kit does what is expected of them, only Isaac Sim shows.
"""

import sys
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

UI = "https://docs.omniverse.nvidia.com/kit/docs/omni.ui/latest/omni.ui/omni.ui."
KIT = "https://docs.omniverse.nvidia.com/kit/docs/"
COMPONENTS = "Isaac Sim: isaacsim/gui/components/ui_utils.py"
WRAPPERS = "Isaac Sim: isaacsim/gui/components/element_wrappers/ui_widget_wrappers.py"

#: Every name that the extension may use, with arguments and attributes, and where it is documented or used.
SOURCES: dict[str, tuple[set[str], str]] = {
    "Window": ({"width", "height", "visible", "dockPreference", "frame", "destroy"}, f"{UI}Window.html"),
    "DockPreference": ({"LEFT_BOTTOM"}, f"{UI}DockPreference.html"),
    "Workspace": ({"get_window"}, f"{UI}Workspace.html"),
    "VStack": ({"spacing", "height"}, f"{UI}VStack.html"),
    "HStack": ({"spacing", "height"}, f"{UI}HStack.html"),
    "Label": ({"width", "tooltip", "word_wrap", "text"}, f"{UI}Label.html; {WRAPPERS}"),
    "Button": ({"width", "tooltip", "clicked_fn", "enabled"}, f"{UI}Button.html; {COMPONENTS}"),
    "ComboBox": ({"model", "enabled"}, f"{UI}ComboBox.html; {COMPONENTS}"),
    "CheckBox": ({"width", "model", "enabled"}, f"{UI}CheckBox.html; {COMPONENTS}"),
    "IntDrag": ({"min", "max", "model", "enabled"}, f"{UI}IntDrag.html; {COMPONENTS}"),
    "StringField": ({"model", "enabled"}, f"{UI}StringField.html; {COMPONENTS}"),
    "value model": (
        {"get_value_as_bool", "get_value_as_int", "get_value_as_string", "set_value", "add_value_changed_fn"},
        f"{UI}AbstractValueModel.html",
    ),
    "item model": ({"get_item_value_model", "add_item_changed_fn"}, f"{UI}AbstractItemModel.html"),
    "omni.ext": ({"IExt"}, f"{KIT}kit-manual/latest/guide/extensions_basic.html"),
    "omni.kit.app": ({"get_app", "GLOBAL_EVENT_UPDATE"}, f"{KIT}kit-manual/latest/guide/kit_core_iapp_interface.html"),
    "app": ({"get_update_event_stream", "is_running"}, f"{KIT}kit-manual/106.5.0/guide/kit_core_iapp_interface.html"),
    "event stream": ({"create_subscription_to_pop"}, f"{KIT}kit-manual/106.5.0/guide/kit_core_iapp_interface.html"),
    "carb.eventdispatcher": ({"get_eventdispatcher"}, f"{KIT}kit-manual/latest/carb.eventdispatcher.html"),
    "dispatcher": ({"observe_event"}, f"{KIT}kit-manual/107.0.3/guide/events.html"),
    "omni.kit.menu.utils": (
        {"MenuItemDescription", "add_menu_items", "remove_menu_items"},
        f"{KIT}omni.kit.menu.utils/latest/Overview.html; Isaac Sim: isaacsim/app/about/extension.py (onclick_fn)",
    ),
    "omni.kit.viewport.utility": ({"get_active_viewport"}, f"{KIT}omni.kit.viewport.utility/latest/Modules.html"),
    "isaacsim.core.version": ({"get_version"}, "Isaac Sim: isaacsim/core/version/__init__.py"),
    "viewport": ({"updates_enabled"}, "Isaac Sim: isaacsim/simulation_app/simulation_app.py"),
    "omni.timeline": ({"get_timeline_interface"}, f"{KIT}omni.timeline/latest/USAGE_PYTHON.html"),
    "timeline": ({"is_playing", "is_stopped", "stop"}, f"{KIT}omni.timeline/latest/genindex.html"),
}


class Guarded:
    """An object that has only the attributes of an entry of :data:`SOURCES`, and those of its class here."""

    kind: ClassVar[str]

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in SOURCES[self.kind][0]:
            raise AttributeError(f"{self.kind} has no documented attribute {name!r}")
        object.__setattr__(self, name, value)


class ValueModel(Guarded):
    """The model of a field: callbacks run at every change, whoever makes it."""

    kind = "value model"

    def __init__(self, value: Any, convert: Callable[[Any], Any]) -> None:
        self._value, self._convert = value, convert
        self._changed: list[Callable[[Any], None]] = []

    def get_value_as_bool(self) -> bool:
        return bool(self._value)

    def get_value_as_int(self) -> int:
        return int(self._value)

    def get_value_as_string(self) -> str:
        return str(self._value)

    def set_value(self, value: Any) -> None:
        if self._convert(value) != self._value:
            self._value = self._convert(value)
            for function in self._changed:
                function(self)

    def add_value_changed_fn(self, function: Callable[[Any], None]) -> int:
        self._changed.append(function)
        return len(self._changed)


class ItemModel(Guarded):
    """The model of a combo box: the value model of its root is the number of the item that it shows."""

    kind = "item model"

    def __init__(self, index: int) -> None:
        self._index = ValueModel(index, int)

    def get_item_value_model(self, item: Any = None, column_id: int = 0) -> ValueModel:
        return self._index

    def add_item_changed_fn(self, function: Callable[[Any, Any], None]) -> int:
        return self._index.add_value_changed_fn(lambda _: function(self, None))


class Widget(Guarded):
    """A widget, which is added to the container whose ``with`` block runs."""

    _open: ClassVar[list["Container"]] = []
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, **arguments: Any) -> None:
        for name, value in {**self._defaults, **arguments}.items():
            setattr(self, name, value)
        if Widget._open:
            Widget._open[-1]._children.append(self)


class Container(Widget):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._children: list[Widget] = []

    def __enter__(self) -> "Container":
        Widget._open.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        Widget._open.pop()

    def _widgets(self) -> Iterator[Widget]:
        for child in self._children:
            yield child
            if isinstance(child, Container):
                yield from child._widgets()


class VStack(Container):
    kind = "VStack"


class HStack(Container):
    kind = "HStack"


class Label(Widget):
    kind = "Label"

    def __init__(self, text: str, **arguments: Any) -> None:
        super().__init__(text=text, **arguments)


class Button(Widget):
    kind = "Button"
    _defaults: ClassVar[dict[str, Any]] = {"enabled": True}

    def __init__(self, text: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._text = text

    def _press(self) -> None:
        if self.enabled:
            self.clicked_fn()


class Field(Widget):
    _defaults: ClassVar[dict[str, Any]] = {"enabled": True}
    _value: ClassVar[Any]

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.model = ValueModel(self._value, type(self._value))


class CheckBox(Field):
    kind, _value = "CheckBox", False


class IntDrag(Field):
    kind, _value = "IntDrag", 0


class StringField(Field):
    kind, _value = "StringField", ""


class ComboBox(Widget):
    kind = "ComboBox"
    _defaults: ClassVar[dict[str, Any]] = {"enabled": True}

    def __init__(self, index: int, *items: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._items = items
        self.model = ItemModel(index)

    def _choose(self, item: str) -> None:
        self.model.get_item_value_model().set_value(self._items.index(item))


class Window(Guarded):
    kind = "Window"

    def __init__(self, title: str, **arguments: Any) -> None:
        self._title = title
        for name, value in arguments.items():
            setattr(self, name, value)
        self.frame = VStack()
        self._is_destroyed = False

    def destroy(self) -> None:
        self._is_destroyed = True


class Timeline:
    """The timeline; a test plays, pauses and stops it as a user does."""

    def __init__(self) -> None:
        self.state = "stopped"

    def is_playing(self) -> bool:
        return self.state == "playing"

    def is_stopped(self) -> bool:
        return self.state == "stopped"

    def stop(self) -> None:
        self.state = "stopped"


class Viewport(Guarded):
    kind = "viewport"

    def __init__(self) -> None:
        self.updates_enabled = True


class Subscription:
    """Ends when nobody keeps it."""


class Kit:
    """All stand-ins, and what they have recorded.

    Args:
        has_events: whether updates are events, as from Kit 107 on, or a stream.
    """

    def __init__(self, *, has_events: bool) -> None:
        self.windows: list[Window] = []
        self.menus: dict[str, list[Any]] = {}
        self.timeline = Timeline()
        self.viewport = Viewport()
        self.viewport_window = SimpleNamespace(visible=True)
        self.subscriptions: list[tuple[Callable[[Any], None], weakref.ref[Subscription]]] = []
        updates: dict[str, Any] = {"get_app": self._application}
        if has_events:
            updates["GLOBAL_EVENT_UPDATE"] = "omni.kit.app:update"
        widgets = (VStack, HStack, Label, Button, ComboBox, CheckBox, IntDrag, StringField)
        self.modules = {
            "omni.ext": {"IExt": type("IExt", (), {})},
            "omni.kit.app": updates,
            "omni.kit.menu.utils": {
                "MenuItemDescription": lambda name, onclick_fn: SimpleNamespace(name=name, onclick_fn=onclick_fn),
                "add_menu_items": lambda entries, menu: self.menus.setdefault(menu, []).extend(entries),
                "remove_menu_items": self._remove_entries,
            },
            "omni.kit.viewport.utility": {"get_active_viewport": lambda: self.viewport},
            "isaacsim.core.version": {"get_version": lambda: ("5.1.0", "rc.19", "5", "1", "0", "rc", "19", "")},
            "omni.timeline": {"get_timeline_interface": lambda: self.timeline},
            "omni.ui": {
                **{widget.__name__: widget for widget in widgets},
                "Window": self._window,
                "DockPreference": SimpleNamespace(LEFT_BOTTOM="left bottom"),
                "Workspace": SimpleNamespace(get_window={"Viewport": self.viewport_window}.get),
            },
        }
        if has_events:
            self.modules["carb.eventdispatcher"] = {
                "get_eventdispatcher": lambda: SimpleNamespace(observe_event=self._observe)
            }

    def install(self, set_item: Callable[..., None]) -> None:
        """Put the modules into ``sys.modules``.

        Args:
            set_item: such as ``monkeypatch.setitem``.
        """
        for name, contents in self.modules.items():
            assert name == "omni.ui" or set(contents) <= SOURCES[name][0], name
            parent, _, _ = name.rpartition(".")
            while parent and parent not in sys.modules:
                set_item(sys.modules, parent, ModuleType(parent))
                parent, _, _ = parent.rpartition(".")
            module = ModuleType(name)
            module.__dict__.update(contents)
            module.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]
            set_item(sys.modules, name, module)

    def frame(self) -> None:
        """Draw a frame: call those who asked for it."""
        for function, subscription in self.subscriptions:
            if subscription() is not None:
                function(None)

    def widgets(self) -> list[Widget]:
        """Return all widgets of the only window, in the order in which they were made."""
        (window,) = self.windows
        return list(window.frame._widgets())

    def button(self, text: str) -> Button:
        (found,) = (one for one in self.widgets() if isinstance(one, Button) and one._text == text)
        return found

    def beside(self, label: str) -> Any:
        """Return the widget after the label of a row, or before it for check boxes."""
        widgets = self.widgets()
        (at,) = (i for i, one in enumerate(widgets) if isinstance(one, Label) and one.text == label)
        return widgets[at - 1] if isinstance(widgets[at - 1], CheckBox) else widgets[at + 1]

    def texts(self) -> list[str]:
        """Return the texts of all labels."""
        return [one.text for one in self.widgets() if isinstance(one, Label)]

    def _window(self, title: str, **arguments: Any) -> Window:
        self.windows.append(Window(title, **arguments))
        return self.windows[-1]

    def _remove_entries(self, entries: list[Any], menu: str) -> None:
        for entry in entries:
            self.menus[menu].remove(entry)

    def _application(self) -> Any:
        stream = SimpleNamespace(create_subscription_to_pop=lambda function, name: self._subscribe(function))
        return SimpleNamespace(get_update_event_stream=lambda: stream, is_running=lambda: True)

    def _observe(self, event_name: str, on_event: Callable[[Any], None], observer_name: str) -> Any:
        assert event_name == "omni.kit.app:update"
        return self._subscribe(on_event)

    def _subscribe(self, function: Callable[[Any], None]) -> Any:
        subscription = Subscription()
        self.subscriptions.append((function, weakref.ref(subscription)))
        return subscription
