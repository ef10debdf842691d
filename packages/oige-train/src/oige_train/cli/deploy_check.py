"""``oige-deploy-check``: compare the log of a robot with the contract of its policy."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oige_train.cli.common import run_cli

if TYPE_CHECKING:
    from oige_train.export.log import Finding

__all__ = ["deploy_check", "main"]

HELP = """usage: oige-deploy-check POLICY LOG [--all]

Compare LOG, a NumPy archive that a robot recorded, with the contract of POLICY, which oige-export wrote, and name the
entries that do not look like what the policy was recorded with: shapes, names, NaN, order, units, rate, frozen or
delayed entries, and actions that the policy would not have given.

  oige-deploy-check policy.onnx log.npz
  --all    print all findings, not only four of each quantity

arrays of LOG, for T control steps, D observations, A actions and J joints:
{layout}

exit codes: 0 nothing was found, 1 something was found, 2 error in the arguments or files"""

FOUND = 1
#: Findings that are printed of each quantity.
MOST = 4


def main() -> None:
    """Run the program."""
    from oige_train.export.log import LAYOUT

    width = max(map(len, LAYOUT))
    run_cli(deploy_check, HELP.format(layout="\n".join(f"  {name:<{width}}  {text}" for name, text in LAYOUT.items())))


def deploy_check(arguments: list[str]) -> int:
    """Compare and print the findings.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, or a file is missing or damaged.
    """
    from oige_core.errors import ConfigError

    files = [argument for argument in arguments if argument != "--all"]
    if len(files) != 2 or any(argument.startswith("-") for argument in files):
        raise ConfigError(f"{' '.join(arguments) or 'oige-deploy-check'}: expected POLICY LOG.")
    from oige_train.export.check import check_log
    from oige_train.export.contract import read_contract
    from oige_train.export.log import read_log

    policy, file = (Path(argument).expanduser() for argument in files)
    contract, log = read_contract(policy), read_log(file)
    report = check_log(contract, log)
    _show(report.findings, most=len(report.findings) if "--all" in arguments else MOST)
    print(f"compared: {', '.join(report.checked)}")
    if report.unchecked:
        print(f"not compared: {'; '.join(report.unchecked)}")
    count = len(report.findings)
    name = contract.values["task"]["name"]
    if not count:
        print(f"{file}: nothing in {len(log.observations)} steps contradicts the recording of {name}")
        return 0
    print(f"{file}: {count} finding{'s' * (count > 1)} in {len(log.observations)} steps of {name}")
    return FOUND


def _show(findings: "Sequence[Finding]", most: int) -> None:
    """Print findings, at most so many of each quantity."""
    counts: dict[str, int] = {}
    for finding in findings:
        quantity = finding.entry.partition("[")[0]
        counts[quantity] = counts.get(quantity, 0) + 1
        if counts[quantity] <= most:
            print(finding)
    for quantity, count in counts.items():
        if count > most:
            print(f"{quantity}: {count - most} more findings, which --all shows")


if __name__ == "__main__":
    main()
