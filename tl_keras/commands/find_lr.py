"""`tl-keras find-lr`: the learning rate that suits a network and images."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tl_keras.commands.quiet import load
from tl_keras.commands.train import SOURCES, config_of
from tl_keras.config import Config
from tl_keras.errors import UsageError

DEFAULT_PICTURE = "find_lr.png"


def find_lr(options: Namespace) -> int:
    """Find a learning rate: train at rising ones and watch the loss."""
    if options.source is None:
        raise UsageError(f"Give a source: {SOURCES}.")
    config, picture = config_of(options), Path(options.out)
    if picture.suffix != ".png":
        raise UsageError(f"`--out` must end in .png. Received: {options.out!r}")
    learning_rate = load("tl_keras.learning_rate")
    found = learning_rate.find_learning_rate(
        options.source,
        config=config,
        phase=options.phase,
        lowest=options.lowest,
        highest=options.highest,
        steps=options.steps,
    )
    table = learning_rate.save(found, picture)
    section = "scratch" if config.scratch.name else options.phase
    section = {"head": "head_phase"}.get(section, section)
    print(f"where the loss falls fastest    {found.steepest:.1e}")
    print(f"a tenth of where it is lowest   {found.tenth:.1e}")
    print("Recommended is the higher one: learning is fast there. A slope below the")
    print("other one is chance, where the curve is flat.")
    print(f"--{section}.learning_rate {found.suggestion:.1e}")
    print(f"{picture}, {table}")
    return 0


def add_find_lr(parser: ArgumentParser) -> None:
    """Declares what `find-lr` takes."""
    parser.add_argument("source", nargs="?", type=str | None, help=SOURCES)
    parser.add_argument("--config", action="config", help="a YAML file of options")
    help = "the PNG file to write; the points go into a CSV file beside it"
    parser.add_argument("--out", default=DEFAULT_PICTURE, help=help)
    help = "whose learning rate; that of the head where it is trained by epochs"
    choices = ["fine_tune", "head"]
    parser.add_argument("--phase", choices=choices, default="fine_tune", help=help)
    parser.add_argument("--lowest", type=float, default=1e-6, help="the first rate")
    parser.add_argument("--highest", type=float, default=1.0, help="the last rate")
    help = "how many rates to try; fewer where the images are few"
    parser.add_argument("--steps", type=int, default=100, help=help)
    parser.add_class_arguments(Config, as_group=False)
