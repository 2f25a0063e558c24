"""Event files: read back by TensorBoard's reader, whole after every kind of end."""

import io

import event_reader
import numpy as np
import pytest
from PIL import Image

from tl_keras.training import events


def number(step, value):
    return events.at(step, events.scalars({"loss": value}))


def extend(folder, *numbers):
    """Adds the last number behind those before, as steps 1, 2, …."""
    made = [number(step, value) for step, value in enumerate(numbers, start=1)]
    events.extend(folder, "curves", made[:-1], made[-1:])


def png(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_numbers_are_read_back_at_their_steps(tmp_path):
    events.write(tmp_path, "a", [number(3, 0.5), number(4, 0.25)])
    assert event_reader.curve(tmp_path, "loss") == [(3, 0.5), (4, 0.25)]


def test_file_is_replaced_by_one_of_its_name(tmp_path):
    events.write(tmp_path, "a", [number(1, 0.5)])
    events.write(tmp_path, "a", [number(1, 0.25)])
    assert event_reader.curve(tmp_path, "loss") == [(1, 0.25)]


def test_files_are_read_in_the_order_of_their_numbers(tmp_path):
    for step in (10, 9, 0):
        events.write(tmp_path, "a", [number(step, 1.0)], number=step)
    assert event_reader.steps(tmp_path, "loss") == [0, 9, 10]


def test_picture_keeps_its_bytes_and_tells_its_sides(tmp_path):
    content = png(30, 20)
    events.write(tmp_path, "a", [events.at(0, events.picture("dots", content))])
    ((_, found),) = event_reader.values(tmp_path, "dots")
    assert list(found) == [b"30", b"20", content]


def test_what_is_no_png_is_refused():
    with pytest.raises(ValueError, match="PNG"):
        events.picture("dots", b"GIF89a")


def test_text_is_shown_as_it_is(tmp_path):
    events.write(tmp_path, "a", [events.at(0, events.verbatim("config", "a: *\nb"))])
    ((_, found),) = event_reader.values(tmp_path, "config")
    assert found.item() == b"    a: *\n    b"


def test_histogram_counts_all_numbers(tmp_path):
    shown = events.histogram("weights", np.arange(100.0))
    events.write(tmp_path, "a", [events.at(0, shown)])
    ((_, buckets),) = event_reader.values(tmp_path, "weights")
    assert buckets[:, 2].sum() == 100


def test_events_are_added_to_the_file_that_is_there(tmp_path):
    extend(tmp_path, 0.5)
    (before,) = tmp_path.iterdir()
    extend(tmp_path, 0.5, 0.4)
    assert list(tmp_path.iterdir()) == [before]
    assert event_reader.curve(tmp_path, "loss") == [(1, 0.5), (2, 0.4)]


def test_repeated_step_stands_there_once(tmp_path):
    extend(tmp_path, 0.5)
    extend(tmp_path, 0.5, 0.4)
    extend(tmp_path, 0.5, 0.4, 0.3)
    extend(tmp_path, 0.5, 0.9)
    assert event_reader.curve(tmp_path, "loss") == [(1, 0.5), (2, 0.9)]


def test_file_that_holds_other_steps_makes_room_for_one_of_a_later_name(tmp_path):
    extend(tmp_path, 0.5)
    extend(tmp_path, 0.5, 0.4)
    (old,) = tmp_path.iterdir()
    extend(tmp_path, 0.5)
    (new,) = tmp_path.iterdir()
    assert new.name > old.name


def test_step_that_was_cut_off_in_its_middle_is_made_whole(tmp_path):
    extend(tmp_path, 0.5)
    extend(tmp_path, 0.5, 0.4)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    extend(tmp_path, 0.5, 0.4, 0.3)
    assert event_reader.curve(tmp_path, "loss") == [(1, 0.5), (2, 0.4), (3, 0.3)]


def test_step_that_was_never_written_is_made_up_for(tmp_path):
    extend(tmp_path, 0.5)
    extend(tmp_path, 0.5, 0.4, 0.3)
    assert event_reader.curve(tmp_path, "loss") == [(1, 0.5), (2, 0.4), (3, 0.3)]
