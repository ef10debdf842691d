"""Tables of the pages in docs/tasks: what a task observes, does and rewards, as Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from oige_core.description import (
    ActionEntry,
    Command,
    Ending,
    ObservationEntry,
    Quantity,
    Randomization,
    ResolvedDescription,
    ResolvedReward,
    RewardTerm,
)

__all__ = [
    "action_table",
    "components_of",
    "ending_list",
    "layout_table",
    "number",
    "observation_table",
    "randomization_list",
    "reward_table",
    "table",
]

INLINE = 4  # components up to which a table lists them in the row
LISTED = 40  # components up to which all are listed
EXACT = 1e-9


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; vertical bars in cells are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def number(value: float) -> str:
    """Return a number as text: 0.02, 1/20, 8π, −1."""
    if value == 0.0:
        return "0"
    sign, size = "−" if value < 0 else "", abs(value)
    if len(f"{size:.10g}") > 6:
        for text, factor in (("", 1.0), ("π", math.pi)):
            whole = size / factor
            if factor != 1.0 and abs(whole - round(whole)) < EXACT * whole and round(whole):
                return sign + (f"{round(whole)}" if round(whole) > 1 else "") + text
            part = 1.0 / (size * factor)
            if abs(part - round(part)) < EXACT * part and 1 <= round(part) <= 100:
                below = f"{round(part)}{text}" if round(part) > 1 or not text else text
                return f"{sign}1/{below}"
    return sign + f"{size:.4g}" if size >= 1e-4 else sign + f"{size:.10f}".rstrip("0")


def columns(first: int, count: int) -> str:
    """Return the columns of a quantity as text: ``3`` or ``3–5``."""
    return str(first) if count == 1 else f"{first}–{first + count - 1}"


def components_of(components: Sequence[str]) -> str:
    """Return the components as code, separated by commas; of many, the first and the last.

    Components ``a.x``, ``a.y``, ``b.x``, ``b.y`` are those of parts: ``a``, ``b``, each with ``.x``, ``.y``.
    """
    parts, ends = (
        list(dict.fromkeys(split)) for split in zip(*(name.rpartition(".")[::2] for name in components), strict=True)
    )
    if len(parts) > 1 and [f"{part}.{end}" for part in parts for end in ends] == list(components):
        return f"{', '.join(map(code, parts))}, each with {', '.join(code(f'.{end}') for end in ends)}"
    shown = [code(name) for name in components]
    if len(shown) > LISTED:
        return f"{', '.join(shown[:3])}, …, {shown[-1]}: {len(shown)} in all"
    return ", ".join(shown)


def named(quantity: Quantity | Command) -> str:
    """Return the name of a quantity, with its components if they are few."""
    few = 0 < len(quantity.components) <= INLINE
    return f"`{quantity.name}`" + (f" ({', '.join(quantity.components)})" if few else "")


def unit_of(units: Iterable[str]) -> str:
    """Return the units, each once."""
    return ", ".join(dict.fromkeys(units))


def code(key: str) -> str:
    return f"`{key}`" if key else ""


def observation_table(quantities: Sequence[Quantity], entries: Sequence[ObservationEntry]) -> str:
    """Return the table of observations or states, and the lists of components that are too long for it."""
    rows, first = [], 0
    for quantity in quantities:
        own = entries[first : first + max(1, len(quantity.components))]
        unit, scale = unit_of(entry.unit for entry in own), number(own[0].scale)
        rows.append((columns(first, len(own)), named(quantity), quantity.text, unit, scale, code(quantity.key)))
        first += len(own)
    header = ("columns", "name", "quantity", "unit", "scale", "key")
    return table(header, rows) + long_components(quantities)


def long_components(quantities: Sequence[Quantity | Command], listed: Sequence[Quantity] = ()) -> str:
    """Return lists of components that do not fit into a table, once for quantities that share them.

    Args:
        quantities: the quantities of the table.
        listed: quantities whose components the page has listed before.
    """
    before = {quantity.components: quantity.name for quantity in reversed(listed)}
    names: dict[tuple[str, ...], list[str]] = {}
    for quantity in quantities:
        if len(quantity.components) > INLINE:
            names.setdefault(quantity.components, []).append(f"`{quantity.name}`")
    lines = []
    for components, owners in names.items():
        same = f"those of `{before[components]}`" if components in before else components_of(components)
        lines.append(f"* {', '.join(owners)}: {same}\n")
    return "\nComponents, in this order:\n\n" + "".join(lines) if lines else ""


def span(entry: ActionEntry) -> str:
    """Return what actions from −1 to 1 stand for."""
    if entry.kind == "none":
        return "no effect"
    if entry.relative_to == "limits":
        return "lower to upper limit"
    unit = "" if entry.unit == "1" else f" {entry.unit}"
    if entry.offset == 0.0:
        return f"±{number(abs(entry.scale))}{unit}"
    ends = number(entry.offset - entry.scale), number(entry.offset + entry.scale)
    return f"{' to '.join(ends)}{unit}"


def action_table(commands: Sequence[Command], entries: Sequence[ActionEntry], listed: Sequence[Quantity] = ()) -> str:
    """Return the table of actions; components with other ranges have rows of their own.

    Args:
        commands: the commands.
        entries: what they are resolved to.
        listed: quantities whose components the page has listed before.
    """
    rows, first, whole = [], 0, []
    for command in commands:
        own = entries[first : first + max(1, len(command.components))]
        spans = list(dict.fromkeys(span(entry) for entry in own))
        whole += [command] if len(spans) == 1 else []
        for text in spans:
            of = [(first + i, entry) for i, entry in enumerate(own) if span(entry) == text]
            name = named(command) if len(spans) == 1 else f"`{command.name}`: " + ", ".join(e.component for _, e in of)
            rows.append((ranges([i for i, _ in of]), name, command.text, text, code(command.key)))
        first += len(own)
    header = ("actions", "name", "meaning", "from −1 to 1", "key")
    return table(header, rows) + long_components(whole, listed)


def ranges(numbers: Sequence[int]) -> str:
    """Return numbers as text, those that follow each other as a range."""
    runs = [list(run) for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    return ", ".join(columns(run[0][1], len(run)) for run in runs)


def reward_table(terms: Sequence[RewardTerm], resolved: Sequence[ResolvedReward]) -> str:
    """Return the table of reward terms."""
    rows = [
        (code(term.name), term.text, number(reward.weight), code(term.key))
        for term, reward in zip(terms, resolved, strict=True)
    ]
    return table(("term", "per step", "weight", "key"), rows)


def ending_list(endings: Sequence[Ending], steps: int, seconds: float) -> str:
    """Return the list of what ends an episode."""
    lines = [f"* **Time:** an episode is truncated after {steps:,} control steps, {seconds:.4g} s.\n"]
    for ending in endings:
        kind, key = "Truncation" if ending.truncation else "Termination", f" (`{ending.key}`)" if ending.key else ""
        lines.append(f"* **{kind}:** {ending.text}{key}.\n")
    if not endings:
        lines.append("* Nothing ends an episode earlier.\n")
    return "".join(lines)


def randomization_list(drawn: Sequence[Randomization]) -> str:
    """Return the list of what is drawn at random."""

    def lines() -> Iterator[str]:
        for when in dict.fromkeys(item.when for item in drawn):
            title = {"reset": "At a reset", "step": "In each step"}.get(when, f"Every {when}")
            for item in drawn:
                if item.when == when:
                    yield f"* **{title}:** {item.text}{f' (`{item.key}`)' if item.key else ''}.\n"

    return "".join(lines())


def layout_table(default: ResolvedDescription, layouts: Sequence[tuple[str, ResolvedDescription]]) -> str:
    """Return the table of other layouts: overrides, numbers of entries and names of quantities."""

    def names(entries: Sequence[ObservationEntry] | Sequence[ActionEntry]) -> str:
        return ", ".join(f"`{name}`" for name in dict.fromkeys(entry.quantity for entry in entries))

    rows = []
    for override, other in layouts:
        changes = [
            f"{len(theirs)} {what}: {names(theirs)}" if names(ours) != names(theirs) else f"ranges of {what}"
            for what, ours, theirs in (
                ("observations", default.observations, other.observations),
                ("privileged states", default.states, other.states),
                ("actions", default.actions, other.actions),
            )
            if ours != theirs
        ]
        if changes:
            rows.append((f"`{override}`", "; ".join(changes)))
    return table(("override", "what it changes"), rows) if rows else ""
