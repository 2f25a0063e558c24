"""What a run costs on this machine, as a function of what is chosen."""

from dataclasses import dataclass

from tl_keras.evaluation.board.projection import MOST_IMAGES


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a time budget chooses.

    Attributes:
        unfreeze: `fine_tune.unfreeze`; 0 trains the head alone.
        views: `augment.views`.
        epochs: `fine_tune.epochs`.
    """

    unfreeze: int | float | str
    views: int
    epochs: int

    def __str__(self) -> str:
        """Returns it as people read it."""
        if not self.unfreeze:
            return "the head alone"
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        views = "1 view" if self.views == 1 else f"{self.views} views"
        return f"fine_tune.unfreeze {self.unfreeze}, {epochs}, {views} an image"


HEAD_ALONE = Recipe(unfreeze=0, views=1, epochs=0)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What a freeze boundary costs, in seconds an image.

    Attributes:
        unfreeze: The boundary, as the config takes it.
        prefix: From pixels to the feature map at the cut, by the engine.
        step: Of a training step behind the cut.
        check: Of a forward pass behind the cut, in validation.
        streams: Whether nothing is frozen or nothing kept, so that images are read
            in every epoch, and run through what is frozen.
    """

    unfreeze: int | float | str
    prefix: float
    step: float
    check: float
    streams: bool = False


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a run costs here; all but the numbers of images in seconds.

    Attributes:
        train: Training images.
        validation: Validation images.
        test: Test images.
        decode: Of an image, from the file to pixels.
        augment: Of one more view of an image that is decoded.
        features: Of an image through the frozen network, by the engine.
        forward: Of an image through the whole network, as the evaluation does it.
        head: Of the head phase, its features given.
        converting: Of an engine, before it runs.
        starting: Of fine-tuning, before its first epoch.
        finishing: Of all steps behind the training, but for the test images.
        cuts: The boundaries to choose from, the deepest first; none where nothing is
            to be fine-tuned.
    """

    train: int
    validation: int
    test: int
    decode: float
    augment: float
    features: float
    forward: float
    head: float
    converting: float
    starting: float
    finishing: float
    cuts: tuple[Cut, ...]

    def first_pass(self, recipe: Recipe) -> float:
        """Returns how long the frozen part runs, over all images and views."""
        images = self.train + self.validation
        cut = self.cut(recipe)
        plain = images * (self.decode + self.features)
        further = 0 if cut.streams else recipe.views - 1
        return (
            self.converting + plain + self.train * further * (self.augment + cut.prefix)
        )

    def epoch(self, recipe: Recipe) -> float:
        """Returns how long an epoch of fine-tuning takes, with its validation."""
        cut = self.cut(recipe)
        drawn, frozen = (self.augment, cut.prefix) if cut.streams else (0.0, 0.0)
        trained = self.train * (drawn + frozen + cut.step)
        return trained + self.validation * (frozen + cut.check)

    def fine_tuning(self, recipe: Recipe) -> float:
        """Returns how long fine-tuning takes."""
        if not recipe.epochs:
            return 0.0
        return self.starting + recipe.epochs * self.epoch(recipe)

    @property
    def last_steps(self) -> float:
        """Returns how long evaluation, TensorBoard's files and export take."""
        images = self.test + min(self.test, MOST_IMAGES)
        return self.finishing + images * (self.decode + self.forward)

    def seconds(self, recipe: Recipe) -> float:
        """Returns how long the rest of the run takes."""
        return (
            self.first_pass(recipe)
            + self.head
            + self.fine_tuning(recipe)
            + self.last_steps
        )

    def cut(self, recipe: Recipe) -> Cut:
        """Returns the recipe's boundary; of the head alone, behind all stages."""
        if recipe.unfreeze:
            return next(cut for cut in self.cuts if cut.unfreeze == recipe.unfreeze)
        return Cut(unfreeze=0, prefix=self.features, step=0.0, check=0.0)
