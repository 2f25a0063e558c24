"""`tl-keras augment`: a look at what a policy makes of the images."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tl_keras.commands.quiet import load_pipeline
from tl_keras.config import Augment, Data
from tl_keras.errors import DataError


def augment(options: Namespace) -> int:
    """Draw some images and random views of them, as training would see them."""
    load_pipeline()
    from tl_keras.datasets import augmentation, sources
    from tl_keras.datasets.augmentation import preview
    from tl_keras.datasets.checking import check
    from tl_keras.datasets.square import Square

    augmentation.policy(options.policy)
    # A picture of some images is no place to complain of the others.
    data = Data(bad_files="skip", near_duplicates=False)
    found = sources.find(options.source, data)
    found = preview.choose(found, options.images, options.seed)
    sound = check.check(found, data).manifest
    if not sound.rows:
        raise DataError("None of the images can be read: see `tl-keras check`.")
    preview.draw(
        sound,
        Path(options.out),
        policy=options.policy,
        flip=not options.no_flip,
        views=options.views,
        square=Square(side=options.image_size, resize=options.resize),
        seed=options.seed,
    )
    print(options.out)
    return 0


def add_augment(parser: ArgumentParser) -> None:
    """Declares what `augment` takes."""
    parser.add_argument("source", help="a folder, or the built-in source 'twemoji'")
    default = Augment().policy
    help = "none, light, no_flip, standard, alexnet or randaugment"
    parser.add_argument("--policy", default=default, help=help)
    parser.add_argument("--out", default="augment.png", help="the PNG file to write")
    parser.add_argument("--images", type=int, default=6, help="images, a row each")
    help = "of each image, beside the original"
    parser.add_argument("--views", type=int, default=7, help=help)
    help = "side of the images in pixels"
    parser.add_argument("--image_size", type=int, default=224, help=help)
    help = "how an image becomes a square, as data.resize"
    choices = ["squash", "crop", "pad"]
    parser.add_argument("--resize", choices=choices, default="squash", help=help)
    help = "of the choice of the images and of the views"
    parser.add_argument("--seed", type=int, default=0, help=help)
    help = "mirror nothing, as augment.flip = false does"
    parser.add_argument("--no_flip", action="store_true", help=help)
