"""Downloads against a local server that is slow, breaks off, lies, or is not there."""

import hashlib
import socket
import time

import pytest
from local_server import CONTENT, MD5, PAGE, SHA256, Answers, serving

from tl_keras.backbones import downloads
from tl_keras.backbones.downloads import KerasFile, UrlWeights, parse_url
from tl_keras.errors import StorageError, UsageError, WeightsError

PAUSES = downloads.PAUSES


@pytest.fixture
def server():
    """A server on this machine; `answers` says what it does."""
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Keras's cache folder; pauses between tries take no time."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(downloads, "PAUSES", (0.0, 0.0))
    return tmp_path / "keras" / "models"


HASHES = {"md5": MD5, "sha256": SHA256, "none": None}


@pytest.fixture(params=HASHES.values(), ids=HASHES)
def any_hash(request):
    return request.param


def keras_file(server, file_hash=MD5, **fields):
    return KerasFile(url=server.url, file_hash=file_hash, **fields)


def failed(file, words):
    """Returns the one-line error of a file that cannot be had."""
    with pytest.raises(WeightsError, match=words) as raised:
        file.path()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def files(folder):
    return sorted(str(x.relative_to(folder)) for x in folder.rglob("*"))


def test_file_is_downloaded_into_the_cache_folder(server, folder, any_hash):
    path = keras_file(server, any_hash).path()
    assert path == folder / "net_notop.h5" and path.read_bytes() == CONTENT


def test_cache_folder_is_keras_own_unless_moved(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert downloads.cache_folder() == tmp_path / ".keras" / "models"


def test_name_in_the_cache_folder_can_be_another(server, folder):
    assert keras_file(server, name="other.h5").path() == folder / "other.h5"


def test_file_that_is_there_is_not_downloaded_again(server, any_hash):
    keras_file(server, any_hash).path()
    keras_file(server, any_hash).path()
    assert len(server.asked) == 1


def test_slow_server_is_waited_for(server, any_hash):
    server.answers = [Answers.slow]
    assert keras_file(server, any_hash).path().read_bytes() == CONTENT


def test_redirection_is_followed(server, folder):
    server.answers = [Answers.moved, Answers.whole]
    assert keras_file(server).path() == folder / "net_notop.h5"


BROKEN = (Answers.cut_off, Answers.cut_off_in_chunks, Answers.reset, Answers.busy)


@pytest.mark.parametrize("broken", BROKEN)
def test_download_that_broke_is_tried_again(server, any_hash, broken):
    server.answers = [broken, broken, Answers.whole]
    assert keras_file(server, any_hash).path().read_bytes() == CONTENT


@pytest.mark.parametrize("broken", BROKEN)
def test_download_that_breaks_each_time_fails_after_three_tries(
    server, any_hash, broken
):
    server.answers = [broken]
    failed(keras_file(server, any_hash), "broke off|the server answered 503")
    assert len(server.asked) == 3


@pytest.mark.parametrize("broken", [*BROKEN, Answers.not_found, Answers.page])
def test_failed_download_leaves_nothing(server, folder, any_hash, broken):
    server.answers = [broken]
    failed(keras_file(server, any_hash), "could not be downloaded")
    assert files(folder) == []


def test_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.1)
    server.answers = [Answers.silent]
    failed(keras_file(server), "timed out")
    assert len(server.asked) == 3


def test_timeout_of_other_connections_stays_as_it_was(server):
    keras_file(server).path()
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answers.not_found, "the server answered 404 Not Found"),
        (Answers.page, "what came is "),
        (Answers.cut_off_without_a_length, "what came is "),
    ],
)
def test_wrong_answer_is_not_asked_for_again(server, any_hash, answer, words):
    server.answers = [answer]
    failed(keras_file(server, any_hash), words)
    assert len(server.asked) == 1


def test_wrong_content_is_told_with_both_hashes(server):
    server.answers = [Answers.page]
    found = hashlib.md5(PAGE).hexdigest()
    failed(keras_file(server), rf"not the known file \(md5 {found}, expected {MD5}\)")


@pytest.mark.parametrize("old", [b"", CONTENT[:-9], PAGE])
def test_wrong_file_in_the_cache_folder_is_replaced(server, folder, any_hash, old):
    folder.mkdir(parents=True)
    (folder / "net_notop.h5").write_bytes(old)
    assert keras_file(server, any_hash).path().read_bytes() == CONTENT


def test_wrong_file_in_the_cache_folder_is_told_where_it_cannot_be_replaced(
    server, folder
):
    folder.mkdir(parents=True)
    (folder / "net_notop.h5").write_bytes(PAGE)
    server.answers = [Answers.not_found]
    failed(keras_file(server), r"net_notop.h5 is not the known file .*, and http")


def test_pauses_grow(server, monkeypatch):
    pauses = []
    monkeypatch.setattr(downloads, "PAUSES", PAUSES)
    monkeypatch.setattr(time, "sleep", pauses.append)
    server.answers = [Answers.busy]
    failed(keras_file(server), "503")
    assert pauses == sorted(set(pauses)) and len(pauses) == 2


@pytest.fixture
def nowhere():
    """An address at which no server is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/net_notop.h5"


def test_offline_error_says_what_is_missing_and_what_works(nowhere, folder):
    message = failed(KerasFile(url=nowhere), "no connection: .*refused")
    for part in (
        str(folder / "net_notop.h5"),
        nowhere,
        "by hand",
        "efficientnet_lite0",
    ):
        assert part in message


def test_file_put_there_by_hand_is_taken_offline(nowhere, folder, any_hash):
    folder.mkdir(parents=True)
    (folder / "net_notop.h5").write_bytes(CONTENT)
    file = KerasFile(url=nowhere, file_hash=any_hash)
    assert file.path() == folder / "net_notop.h5"


def test_unknown_host_is_not_asked_again(monkeypatch):
    asked = []

    def unknown(*arguments, **options):
        asked.append(arguments)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failed(KerasFile(url="http://weights.invalid/a.h5"), "no connection: .*resolution")
    assert len(asked) == 1


def test_cache_folder_that_cannot_be_written_is_named(server, folder):
    folder.parent.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="Cannot write .*KERAS_HOME"):
        keras_file(server).path()


def test_full_disk_is_told(server, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", full)
    with pytest.raises(StorageError, match="the disk is full"):
        keras_file(server).path()


def test_results_on_standard_output_are_not_mixed_with_progress(server, capsys):
    keras_file(server).path()
    captured = capsys.readouterr()
    assert captured.out == "" and server.url in captured.err


def test_users_file_is_downloaded_and_checked(server, folder):
    path = parse_url(f"{server.url}#sha256={SHA256}").path()
    assert path.parent == folder and path.read_bytes() == CONTENT


def test_users_file_with_another_sha256_is_refused(server, folder):
    server.answers = [Answers.page]
    failed(UrlWeights(server.url, SHA256), f"expected {SHA256}")
    assert files(folder) == []


def test_users_files_of_one_name_do_not_replace_each_other(server):
    first = UrlWeights(server.url, SHA256).path()
    server.answers = [Answers.page]
    second = UrlWeights(server.url, hashlib.sha256(PAGE).hexdigest()).path()
    assert first.read_bytes() == CONTENT and second.read_bytes() == PAGE


def test_ending_of_the_users_file_is_kept(server):
    path = UrlWeights(f"{server.url}?download=1", SHA256).path()
    assert path.name.endswith("-net_notop.h5")


@pytest.mark.parametrize(
    "text",
    [
        f"https://host/a/file.h5?version=2#sha256={SHA256}",
        f"http://host:8000/a/file.h5?version=2#sha256={SHA256.upper()}",
    ],
)
def test_address_and_sha256_are_read(text):
    assert parse_url(text) == UrlWeights(text.partition("#")[0], SHA256)


@pytest.mark.parametrize(
    "text",
    ["", "#", "#sha256=", "#sha256=123", f"#md5={MD5}", f"#sha256={SHA256}0", "#a=b"],
)
def test_address_without_a_sha256_is_refused_with_the_form(text):
    with pytest.raises(UsageError, match="#sha256=<64 hex digits>.*Received: 'https"):
        parse_url(f"https://host/file.h5{text}")


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/file.h5",
        "ftp://host/file.h5",
        "https:///file.h5",
        "https://host/",
        "https://[host/file.h5",
        "file.h5",
        "",
    ],
)
def test_anything_but_a_web_address_is_refused(address):
    with pytest.raises(UsageError, match="http or https address"):
        parse_url(f"{address}#sha256={SHA256}")
