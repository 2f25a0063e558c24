"""Defaults, overrides, rules and the YAML form of a config."""

import dataclasses
from pathlib import Path

import pytest

from tl_keras.config import Config, HeadPhase, Phase
from tl_keras.errors import UsageError

SECTIONS = [
    field.name
    for field in dataclasses.fields(Config)
    if dataclasses.is_dataclass(getattr(Config(), field.name))
]


def from_text(folder: Path, text: str) -> Config:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return Config.from_yaml(path)


def test_config_survives_yaml(tmp_path):
    config = Config().override(
        seed=7,
        deterministic=True,
        data={"validation": 0.2, "cache_dir": "/tmp/Größe: a"},
        backbone={"weights": None, "image_size": 96},
        fine_tune={"learning_rate": 1e-5, "epochs": 0},
        export={"folder": "saved_models/x", "tolerance": 3e-7},
    )
    assert from_text(tmp_path, config.to_yaml()) == config


def test_yaml_holds_every_default_in_the_order_of_the_fields():
    lines = Config().to_yaml().splitlines()
    top_level = [line.split(":")[0] for line in lines if not line.startswith(" ")]
    assert top_level == [field.name for field in dataclasses.fields(Config)]


def test_fields_that_a_yaml_file_leaves_out_keep_their_defaults(tmp_path):
    assert from_text(tmp_path, "fine_tune:\n  epochs: 3\n") == Config().override(
        fine_tune={"epochs": 3}
    )


@pytest.mark.parametrize("text", ["", "# only a comment\n", "{}\n"])
def test_empty_yaml_file_is_the_default_config(tmp_path, text):
    assert from_text(tmp_path, text) == Config()


@pytest.mark.parametrize("number", ["1e-3", "1.0e-3", "0.001"])
def test_number_in_yaml_may_be_written_with_an_exponent(tmp_path, number):
    config = from_text(tmp_path, f"fine_tune:\n  learning_rate: {number}\n")
    assert config.fine_tune.learning_rate == 0.001


@pytest.mark.parametrize(
    "text",
    [
        "- a\n- list\n",
        "just words\n",
        "a: [1\n",
        "a:\n\tb: 1\n",
        "!!python/object/apply:os.getpid []\n",
        "1: 2\n",
        "self: 2\n",
        "data: 3\n",
        "data:\n",
        "data: {1: 2}\n",
    ],
)
def test_yaml_file_that_is_no_config_is_refused(tmp_path, text):
    with pytest.raises(UsageError):
        from_text(tmp_path, text)


def test_missing_yaml_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="nowhere.yaml"):
        Config.from_yaml(tmp_path / "nowhere.yaml")


def test_yaml_file_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes(b"seed: \xff\xfe\n")
    with pytest.raises(UsageError, match="cannot be read"):
        Config.from_yaml(path)


def test_unknown_top_level_key_is_named_with_a_suggestion():
    with pytest.raises(UsageError, match="key 'sede'. Did you mean 'seed'"):
        Config().override(sede=1)


def test_unknown_key_of_a_section_is_named_with_its_section_and_a_suggestion():
    with pytest.raises(UsageError, match="'fine_tune.epoch'. Did you mean 'epochs'"):
        Config().override(fine_tune={"epoch": 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": "1"},
        {"seed": 1.0},
        {"seed": None},
        {"seed": True},
        {"deterministic": 1},
        {"data": {"validation": "0.2"}},
        {"data": {"validation": True}},
        {"data": {"bad_files": "ignore"}},
        {"data": {"bad_files": None}},
        {"data": {"cache_dir": None}},
        {"backbone": {"image_size": "224"}},
        {"backbone": {"image_size": 224.0}},
        {"backbone": {"name": None}},
        {"backbone": None},
        {"backbone": 3},
        {"head": 0.5},
        {"head": {"hidden": 16}},
        {"head": {"hidden": [16.0]}},
        {"head": {"hidden": [True]}},
        {"head": {"hidden": "16"}},
        {"head": {"pooling": "mean"}},
        {"head": {"outputs": "several"}},
        {"head": {"activation": "linear"}},
        {"head": {"conv_kernel_size": 2}},
        {"head": {"conv_kernel_size": True}},
        {"head_phase": {"solver": "newton"}},
        {"head_phase": []},
        {"export": {"folder": 1}},
        {"fine_tune": {"learning_rate": [1e-3]}},
    ],
    ids=str,
)
def test_value_of_the_wrong_kind_is_refused(changes):
    with pytest.raises(UsageError, match="must be"):
        Config().override(**changes)


def test_error_for_a_wrong_kind_names_field_kind_and_value():
    with pytest.raises(UsageError) as error:
        Config().override(backbone={"image_size": "big"})
    assert str(error.value) == (
        "`backbone.image_size` must be int or NoneType. Received: 'big'"
    )


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("data", "validation", 1.0),
        ("data", "validation", -0.1),
        ("data", "validation", float("nan")),
        ("data", "test", 0.0),
        ("data", "test", 1.0),
        ("augment", "views", 0),
        ("backbone", "image_size", 0),
        ("backbone", "image_size", -32),
        ("head", "hidden", (16, 0)),
        ("head", "conv_filters", -1),
        ("head", "dropout", 1.0),
        ("head", "dropout", -0.1),
        ("head", "dropout", float("nan")),
        ("head_phase", "epochs", 0),
        ("head_phase", "l2", 0.0),
        ("head_phase", "l2", -1.0),
        ("fine_tune", "epochs", -1),
        ("fine_tune", "batch_size", 0),
        ("fine_tune", "warmup_epochs", -1),
        ("fine_tune", "patience", 0),
        ("fine_tune", "learning_rate", 0.0),
        ("fine_tune", "learning_rate", float("nan")),
        ("fine_tune", "learning_rate", float("inf")),
        ("fine_tune", "weight_decay", 1.0),
        ("fine_tune", "weight_decay", -0.1),
        ("fine_tune", "label_smoothing", 1.0),
        ("fine_tune", "ema_momentum", 1.0),
        ("fine_tune", "mixup", -0.1),
        ("fine_tune", "mixup", float("nan")),
        ("fine_tune", "unfreeze", -1),
        ("fine_tune", "unfreeze", 1.0),
        ("fine_tune", "unfreeze", 0.0),
        ("export", "tolerance", 0.0),
        ("export", "verify_images", 0),
    ],
)
def test_value_out_of_range_is_refused_with_its_name(section, field, value):
    with pytest.raises(UsageError, match=rf"`({section}\.)?{field}` must be"):
        Config().override(**{section: {field: value}})


@pytest.mark.parametrize("phase", ["head_phase", "fine_tune"])
def test_value_out_of_range_is_refused_with_the_name_of_its_phase(phase):
    with pytest.raises(UsageError, match=rf"`{phase}\.batch_size` must be"):
        Config().override(**{phase: {"batch_size": 0}})


def test_held_out_shares_must_leave_images_to_train_on():
    with pytest.raises(UsageError, match="data.test` must be below 1"):
        Config().override(data={"validation": 0.5, "test": 0.5})


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("augment", "views", 1),
        ("backbone", "image_size", None),
        ("head", "dropout", 0.0),
        ("fine_tune", "epochs", 0),
        ("fine_tune", "unfreeze", 0),
        ("fine_tune", "unfreeze", 0.01),
        ("fine_tune", "ema_momentum", 0.0),
        ("head_phase", "epochs", 1),
        ("export", "verify_images", 1),
    ],
)
def test_value_at_the_limit_is_taken(section, field, value):
    config = Config().override(**{section: {field: value}})
    assert getattr(getattr(config, section), field) == value


def test_error_for_a_choice_names_the_choices():
    with pytest.raises(UsageError) as error:
        Config().override(head={"pooling": "mean"})
    assert str(error.value) == (
        "`head.pooling` must be 'avg' or 'max' or 'gem' or 'flatten'. Received: 'mean'"
    )


@pytest.mark.parametrize("text", ["[16, 8]", "\n  - 16\n  - 8"])
def test_list_in_yaml_is_a_tuple_of_the_config(tmp_path, text):
    config = from_text(tmp_path, f"head:\n  hidden: {text}\n")
    assert config.head.hidden == (16, 8)
    assert from_text(tmp_path, config.to_yaml()) == config


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({"pooling": "gem"}, "head.pooling = gem"),
        ({"conv_filters": 8}, "head.conv_filters = 8"),
        ({"hidden": [8]}, r"head.hidden = \(8,\)"),
        ({"outputs": "multi_label"}, "head.outputs = multi_label"),
    ],
)
def test_head_that_cannot_be_solved_is_refused_with_the_reason(head, reason):
    with pytest.raises(UsageError, match=f"`head_phase.solver`.* with {reason}"):
        Config().override(head=head, head_phase={"solver": "lbfgs"})


@pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
@pytest.mark.parametrize("outputs", ["multi_class", "binary"])
def test_linear_head_may_be_solved(pooling, outputs):
    head = {"pooling": pooling, "outputs": outputs}
    config = Config().override(head=head, head_phase={"solver": "lbfgs"})
    assert not config.head.unsolvable


def test_penalty_may_be_left_to_cross_validation():
    assert Config().override(head_phase={"l2": None}).head_phase.l2 is None


def test_whole_number_stands_for_a_float():
    value = Config().override(head_phase={"l2": 3}).head_phase.l2
    assert (value, type(value)) == (3.0, float)


def test_section_override_keeps_the_other_fields_of_the_section():
    changed = Config().override(fine_tune={"epochs": 3}).fine_tune
    assert changed == dataclasses.replace(Config().fine_tune, epochs=3)


def test_second_override_keeps_the_first_one():
    config = Config().override(fine_tune={"epochs": 3})
    assert config.override(fine_tune={"unfreeze": 2}).fine_tune.epochs == 3


def test_override_leaves_the_old_config_as_it_was():
    config = Config()
    config.override(seed=5, data={"test": 0.3})
    assert config == Config()


def test_backbone_may_be_given_by_its_name_alone():
    config = Config().override(backbone={"image_size": 96})
    assert config.override(backbone="vgg16") == Config().override(
        backbone={"name": "vgg16", "image_size": 96}
    )


@pytest.mark.parametrize("section", [None, *SECTIONS])
def test_config_is_frozen(section):
    holder = getattr(Config(), section) if section else Config()
    name = dataclasses.fields(holder)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(holder, name, 1)


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_take_no_positional_values(section):
    with pytest.raises(TypeError):
        type(getattr(Config(), section))(1)


def test_no_section_holds_a_section():
    nested = [
        f"{section}.{field.name}"
        for section in SECTIONS
        for field in dataclasses.fields(getattr(Config(), section))
        if dataclasses.is_dataclass(getattr(getattr(Config(), section), field.name))
    ]
    assert nested == []


def test_head_phase_keeps_the_rules_of_every_phase():
    with pytest.raises(UsageError, match="batch_size"):
        HeadPhase(batch_size=0)


def test_phase_has_no_default_number_of_epochs():
    with pytest.raises(TypeError):
        Phase()


@pytest.mark.parametrize("value", [2, 0.5, "block6a", "all"])
def test_what_trains_keeps_its_kind_through_yaml(value, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(Config().override(fine_tune={"unfreeze": value}).to_yaml())
    found = Config.from_yaml(path).fine_tune.unfreeze
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("imbalance", ["weights", "sampling"])
def test_labels_that_go_together_cannot_be_balanced(imbalance):
    with pytest.raises(UsageError, match="`data.imbalance` must be none with head.out"):
        Config().override(
            data={"imbalance": imbalance}, head={"outputs": "multi_label"}
        )


@pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
def test_boxes_cannot_be_cut_of_pooled_features(pooling):
    with pytest.raises(
        UsageError, match="`head_phase.cutmix` must be 0 with head.pool"
    ):
        Config().override(head={"pooling": pooling}, head_phase={"cutmix": 1.0})


@pytest.mark.parametrize("head", [{"pooling": "gem"}, {"conv_filters": 8}], ids=str)
def test_boxes_may_be_cut_of_the_feature_map_of_a_head(head):
    config = Config().override(head=head, head_phase={"cutmix": 1.0})
    assert config.head_phase.cutmix == 1.0


def test_share_of_cutmix_cannot_be_negative():
    with pytest.raises(UsageError, match="`fine_tune.cutmix` must be at least 0"):
        Config().override(fine_tune={"cutmix": -0.1})


@pytest.mark.parametrize("field", ["min_confidence", "target_accuracy"])
@pytest.mark.parametrize("value", [0.0, 1.1, -0.5, float("nan")])
def test_threshold_must_be_one_that_a_probability_can_reach(field, value):
    with pytest.raises(UsageError, match=rf"`evaluation.{field}` must be in \(0, 1\]"):
        Config().override(evaluation={field: value})


def test_threshold_is_given_or_chosen_and_not_both():
    both = {"min_confidence": 0.5, "target_accuracy": 0.9}
    with pytest.raises(UsageError, match="min_confidence` must be null with a target"):
        Config().override(evaluation=both)


def test_thresholds_of_classes_need_an_accuracy_to_reach():
    with pytest.raises(UsageError, match="per_class` must be false without a target"):
        Config().override(evaluation={"per_class": True, "min_confidence": 0.5})


@pytest.mark.parametrize("fitted", [{"calibrate": True}, {"target_accuracy": 0.9}])
def test_what_is_fitted_on_validation_images_needs_some(fitted):
    rule = "`data.validation` must be above 0 with evaluation.calibrate"
    with pytest.raises(UsageError, match=rule):
        Config().override(evaluation=fitted, data={"validation": 0.0})


def test_given_threshold_needs_no_validation_images():
    config = Config().override(
        evaluation={"min_confidence": 0.5}, data={"validation": 0.0}
    )
    assert config.evaluation.min_confidence == 0.5


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"time_budget": "5m"}, "time_budget"),
        ({"cache": {"store": "auto"}}, "cache.store"),
        ({"cache": {"engine": "litert"}}, "cache.engine"),
    ],
    ids=str,
)
def test_what_a_clock_or_a_disk_decides_is_refused_with_deterministic(changes, named):
    Config().override(**changes)
    with pytest.raises(UsageError, match=f"`{named}` must be .* with deterministic"):
        Config().override(deterministic=True, **changes)
