"""What HParams gets of a run."""

from tensorboard.plugins.hparams import metadata

from tl_keras.config import Config
from tl_keras.evaluation.board import figures, hyperparameters


def parts(config, name="run"):
    found = hyperparameters.session(config, name).value
    return {one.tag: one.metadata.plugin_data.content for one in found}


def test_fields_have_the_names_of_the_flags():
    config = Config().override(fine_tune={"epochs": 7, "unfreeze": 2}, seed=3)
    found = hyperparameters.chosen(config)
    assert found["fine_tune.epochs"] == 7.0
    assert found["fine_tune.unfreeze"] == "2"
    assert (found["backbone.name"], found["seed"]) == ("efficientnet_lite0", 3.0)


def test_several_values_are_one_text():
    config = Config().override(head={"hidden": [64, 32]})
    assert hyperparameters.chosen(config)["head.hidden"] == "64, 32"


def test_field_without_a_value_is_left_out():
    assert "data.few_shot" not in hyperparameters.chosen(Config())


def test_sections_that_took_no_part_are_left_out():
    found = hyperparameters.chosen(Config().override(scratch="lenet5"))
    assert found["scratch.name"] == "lenet5"
    assert not any(name.startswith(("fine_tune", "backbone.n")) for name in found)
    assert not any(
        name.startswith("scratch") for name in hyperparameters.chosen(Config())
    )


def test_every_field_exists_in_the_config():
    for config in (Config(), Config().override(scratch="lenet5")):
        assert set(hyperparameters.chosen(config)) <= set(hyperparameters.FIELDS)


def test_page_has_a_column_for_each_field_and_three_figures():
    content = parts(Config())[metadata.EXPERIMENT_TAG]
    experiment = metadata.parse_experiment_plugin_data(content)
    names = {info.name for info in experiment.hparam_infos}
    assert names == set(hyperparameters.FIELDS)
    assert {one.name.tag for one in experiment.metric_infos} == {
        value.tag
        for value in figures.overall({"accuracy": 1, "f1": 1, "loss": 1}).value
    }


def test_run_goes_by_its_name_and_is_over():
    found = parts(Config(), "first try")
    start = metadata.parse_session_start_info_plugin_data(
        found[metadata.SESSION_START_INFO_TAG]
    )
    assert start.group_name == "first try"
    assert start.hparams["augment.policy"].string_value == "light"
    assert metadata.SESSION_END_INFO_TAG in found
