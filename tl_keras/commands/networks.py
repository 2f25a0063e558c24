"""`tl-keras models` and `tl-keras summary`: the networks and their figures."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tl_keras.commands.quiet import load_pipeline


def models(options: Namespace) -> int:
    """List the architectures and pretrained backbones with their figures."""
    load_pipeline()
    from tl_keras.listing import print_models

    print_models(as_json=options.json)
    return 0


def add_models(parser: ArgumentParser) -> None:
    """Declares what `models` takes."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def summary(options: Namespace) -> int:
    """Show a network's stages: output shapes, parameters, multiply-adds."""
    load_pipeline()
    from tl_keras.listing import plot, print_stages

    network = print_stages(options.name, image_size=options.image_size)
    if options.plot:
        plot(network, Path(options.plot))
    return 0


def add_summary(parser: ArgumentParser) -> None:
    """Declares what `summary` takes."""
    parser.add_argument("name", help="of an architecture: see `tl-keras models`")
    help = "side of the images in pixels; default: the native size"
    parser.add_argument("--image_size", type=int | None, help=help)
    help = "draw the network into this file (.png, .svg, .pdf)"
    parser.add_argument("--plot", type=str | None, help=help)
