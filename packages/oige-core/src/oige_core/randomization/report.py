"""What a task's domain randomisation draws, as text: distributions with histograms, and the values of one world."""

import torch

from oige_core.randomization.distributions import Choice, Distribution
from oige_core.randomization.runtime import Randomization
from oige_core.randomization.schema import SIGNALS, Path
from oige_core.randomization.targets import Target

__all__ = ["report_lines", "world_lines"]

SAMPLES = 10_000
BINS = 40
BARS = " ▁▂▃▄▅▆▇█"
VERBS = {"additive": "adds", "scaling": "multiplies by", "direct": "sets to"}
AXES = ("x", "y", "z")
MATERIAL = ("static friction", "dynamic friction", "restitution")
SHOWN = 4  # numbers of one attribute in a line


def report_lines(randomization: Randomization) -> list[str]:
    """Return lines with each distribution: what it changes and when, a histogram of 10,000 draws, resulting values.

    The draws do not affect the random stream of the task.
    """
    generator = torch.Generator(randomization.generator.device).manual_seed(0)
    lines: list[str] = []
    for path, distribution in randomization.distributions.items():
        target = randomization.targets.get(path[:-1])
        drawn = distribution.sample(SAMPLES, generator)
        lines += ["", ".".join(path), f"  {_when(path, distribution)}: {_operation(distribution)}"]
        if isinstance(distribution, Choice):
            lines.append(f"  {_shares(distribution, drawn)}")
        else:
            lines += [
                f"  {label}{_histogram(drawn[:, columns])}" for label, columns in _columns(path, distribution, target)
            ]
        if target is not None:
            lines += _facts(target, path[-1], drawn)
    return lines[1:]


def world_lines(randomization: Randomization, world: int) -> list[str]:
    """Return the current values of the randomised properties of one world, a line for each; this waits for the device.

    Args:
        randomization: the randomisation.
        world: index of the world.
    """
    lines = []
    for path, target in randomization.targets.items():
        if target.attribute.kind == "property":
            numbers = target.read()[world].tolist()
            names = target.attribute.choices
            each = [names[int(number)] if names else f"{number:.4g}" for number in numbers[:SHOWN]]
            shown = ", ".join(each) + ", …" * (len(numbers) > SHOWN)
            name = " ".join(path if path[0] in SIGNALS else path[1:])
            lines.append(f"{name}: {shown}{_unit(target)}")
    return lines


def _when(path: Path, distribution: Distribution) -> str:
    steps = distribution.config.frequency_interval
    if path[-1] == "on_interval":
        return "every control step" if steps == 1 else f"every {steps} control steps"
    return "once, at the start" if path[-1] == "on_startup" else "at resets"


def _operation(distribution: Distribution) -> str:
    config = distribution.config
    if isinstance(distribution, Choice):
        return f"{VERBS[config.operation]} one of {', '.join(distribution.names[int(i)] for i in distribution.chosen)}"
    names = ("mean", "standard deviation") if config.distribution == "gaussian" else ("low", "high")
    rows = [_brief(row.unique(sorted=True).tolist()) for row in distribution.parameters]
    buckets = f", {config.num_buckets} buckets" if config.num_buckets else ""
    terms = ", ".join(f"{name} {row}" for name, row in zip(names, rows, strict=True))
    return f"{VERBS[config.operation]} {config.distribution} numbers ({terms}{buckets})"


def _brief(numbers: list[float]) -> str:
    return f"{numbers[0]:g}" if len(numbers) == 1 else f"{numbers[0]:g} to {numbers[-1]:g}"


def _columns(path: Path, distribution: Distribution, target: Target | None) -> list[tuple[str, list[int]]]:
    """Return labels and column numbers of the dimensions that have the same parameters."""
    groups: dict[tuple[float, ...], list[int]] = {}
    for column, parameters in enumerate(distribution.parameters.T.tolist()):
        groups.setdefault(tuple(parameters), []).append(column)
    if len(groups) == 1:
        return [("", next(iter(groups.values())))]
    names = _names(path, target, distribution.parameters.shape[1])
    labels = [", ".join(dict.fromkeys(names[column] for column in columns)) for columns in groups.values()]
    width = max(map(len, labels))
    return [(f"{label:<{width}}  ", columns) for label, columns in zip(labels, groups.values(), strict=True)]


def _names(path: Path, target: Target | None, dimension: int) -> list[str]:
    if path[0] not in SIGNALS and target is not None:
        names = getattr(target.view, "dof_names", [])
        if target.attribute.dimension == "dofs" and len(names) == dimension:
            return names
        if path[-2] == "material_properties":
            return [MATERIAL[column % 3] for column in range(dimension)]
        if dimension in (3, 6):
            return [AXES[column % 3] for column in range(dimension)]
    return [str(column) for column in range(dimension)]


def _histogram(drawn: torch.Tensor) -> str:
    """Return a histogram of numbers between their least and largest one."""
    low, high = drawn.min().item(), drawn.max().item()
    if low == high:
        return f"always {low:g}"
    counts = torch.histc(drawn.flatten().cpu(), BINS, low, high)
    heights = (counts / counts.max() * (len(BARS) - 1)).ceil().int().tolist()
    mean, deviation = drawn.mean().item(), drawn.std().item()
    bars = "".join(BARS[height] for height in heights)
    return f"{low:.4g} ▕{bars}▏ {high:.4g}   mean {mean:.4g}, standard deviation {deviation:.4g}"


def _shares(distribution: Choice, drawn: torch.Tensor) -> str:
    """Return how often each name is drawn."""
    counts = drawn.flatten().int().bincount(minlength=len(distribution.names)).tolist()
    shares = zip(distribution.names, counts, strict=True)
    return ", ".join(f"{name} {100 * count / drawn.numel():.0f} %" for name, count in shares if count)


def _facts(target: Target, trigger: str, drawn: torch.Tensor) -> list[str]:
    """Return lines on the attribute, and on the values that the draws give if it is a property."""
    attribute = target.attribute
    notes = f" ({attribute.note})" if attribute.note else ""
    unit = _unit(target)
    lines = [f"  {attribute.meaning}{unit and f', in{unit}'}; engines: {', '.join(attribute.engines)}{notes}"]
    if attribute.kind != "property" or attribute.choices:
        return lines
    nominal = target.nominal.expand(len(drawn), -1)
    combined = target.combined(target.draws[trigger].config.operation, nominal, drawn)
    values = target.valid(combined, nominal)
    lines.append(f"  {_range(nominal)} becomes {_range(values)}{unit}")
    lowest = attribute.lowest
    if lowest is not None and (raised := (combined < lowest).float().mean().item()):
        lines.append(f"  {100 * raised:.2g} % of the values are raised to the smallest allowed one, {lowest:g}")
    return lines


def _unit(target: Target) -> str:
    """Return the unit of an attribute after a space; nothing if it has none."""
    return "" if target.attribute.unit == "1" else f" {target.attribute.unit}"


def _range(values: torch.Tensor) -> str:
    low, high = values.min().item(), values.max().item()
    return f"{low:.4g}" if low == high else f"{low:.4g} … {high:.4g}"
