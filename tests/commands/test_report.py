"""`tl-keras report`: a run in, a page out."""

import shutil

from tl_keras.cli import main


def test_page_is_written_into_the_run_folder(trained, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(trained.folder, folder)
    (folder / "report.html").unlink()
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_page_is_written_elsewhere(trained, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    assert main(["report", str(trained.folder), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n" and out.is_file()


def test_other_file_is_not_replaced(trained, capsys):
    out = trained.folder / "config.yaml"
    before = out.read_text()
    assert main(["report", str(trained.folder), "--out", str(out)]) == 2
    assert "must be a file that ends in .html" in capsys.readouterr().err
    assert out.read_text() == before


def test_folder_without_a_run_is_wrong_usage(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "is no run folder" in capsys.readouterr().err
