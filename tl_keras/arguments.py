"""What is the command line's own in reading arguments: short forms, one-line errors."""

import sys

from jsonargparse import ArgumentParser

from tl_keras.config import Config

USAGE = 2
WEIGHTS = "--backbone.weights"
SHORT_FLAGS = {
    "--backbone": "--backbone.name",
    "--weights": WEIGHTS,
    "--architecture": "--scratch.name",
    "--scratch": "--scratch.name",
    "--group-by": "--data.group_by",
    "--few-shot": "--data.few_shot",
    "--time-budget": "--time_budget",
    "--worker-index": "--worker_index",
    "--local-workers": "--local_workers",
    "--accept-loss": "--accept_loss",
}
# What `--profile` is told.
PHASES = ("--head_phase", "--fine_tune", "--scratch")


class Parser(ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str, ex: Exception | None = None) -> None:
        """Ends with the first line of the message that says something."""
        lines = [line.strip(" -") for line in message.splitlines() if line.strip()]
        # jsonargparse wraps: the last line is the rule that was broken.
        text = lines[0] if len(lines) == 1 else f"{lines[0].rstrip(':')}: {lines[-1]}"
        print(f"error: {text} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(USAGE)


def spelled_out(arguments: list[str]) -> list[str]:
    """Completes the short forms: `--backbone NAME`, bare `--deterministic`, ….

    Weights `none` are YAML's null.
    """
    full = []
    for place, argument in enumerate(arguments):
        following = arguments[place + 1 : place + 2]
        flag, equals, value = argument.partition("=")
        argument = SHORT_FLAGS.get(flag, flag) + equals + value
        if full and full[-1] == WEIGHTS and argument == "none":
            argument = "null"
        elif argument == f"{WEIGHTS}=none":
            argument = f"{WEIGHTS}=null"
        if argument == "--profile":
            full += [part for phase in PHASES for part in (f"{phase}.profile", "true")]
            continue
        full.append(argument)
        if argument == "--deterministic" and following not in (["true"], ["false"]):
            full.append("true")
    return full


def check_config_file(arguments: list[str]) -> None:
    """Reads `--config FILE` as Python would, for the same clear errors."""
    for argument, following in zip(arguments, [*arguments[1:], None]):
        if argument == "--config" and following:
            Config.from_yaml(following)
        elif argument.startswith("--config="):
            Config.from_yaml(argument.removeprefix("--config="))
