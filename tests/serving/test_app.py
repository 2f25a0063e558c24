"""The paths of the server, asked within this process."""

import asyncio
import json

import numpy as np
import pytest
from asking import PREDICT, b64, rows

from tl_keras.export.loaded import Export
from tl_keras.serving.heat import Heat

STATUS = "/v1/models/squares"


@pytest.fixture
def heat(trained):
    """Grad-CAM pictures of the small run."""
    return Heat(trained)


def test_bad_image_marks_its_own_row(ask, red):
    content = red.read_bytes()

    async def conversation(client):
        return await client.post(PREDICT, json=rows(content, b"no image", content))

    good, bad, again = ask(conversation).json()["predictions"]
    assert good == again and (good["label"], good["ok"]) == ("red", True)
    assert good["probability"] == max(good["probabilities"])
    assert (bad["label"], bad["ok"], bad["class_id"]) == ("", False, -1)
    assert bad["error"].startswith("not an image") and not bad["known"]


def test_answers_are_the_export_s_own(ask, exported, trained):
    paths = trained.manifest.split("test").paths
    contents = [open(path, "rb").read() for path in paths]

    async def conversation(client):
        return await client.post(PREDICT, json=rows(*contents))

    found = [row["probabilities"] for row in ask(conversation).json()["predictions"]]
    expected = Export(exported / "1").probabilities(trained.manifest.split("test"))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_columns_are_answered_by_column_and_may_be_empty(ask, red):
    async def conversation(client):
        return [
            (
                await client.post(PREDICT, json={"inputs": {"image_bytes": column}})
            ).json()
            for column in ([b64(red.read_bytes())], [])
        ]

    one, none = ask(conversation)
    assert one["outputs"]["label"] == ["red"]
    assert set(none["outputs"]) == set(one["outputs"])
    assert none["outputs"]["label"] == none["outputs"]["probabilities"] == []


def test_other_signatures_are_called_by_name(ask, red):
    image = np.full((32, 32, 3), (220, 40, 40)).tolist()
    bodies = [
        {"signature_name": "pixels", "instances": [image]},
        {"signature_name": "features", **rows(red.read_bytes())},
        {"signature_name": "nope", **rows(b"")},
    ]

    async def conversation(client):
        return [await client.post(PREDICT, json=body) for body in bodies]

    pixels, features, unknown = ask(conversation)
    assert pixels.json()["predictions"][0]["label"] == "red"
    assert len(features.json()["predictions"][0]["features"]) == 8
    assert unknown.status_code == 400
    assert unknown.json() == {
        "error": 'Serving signature name: "nope" not found in signature def'
    }


def test_status_metadata_and_versions_are_those_of_tensorflow_serving(ask):
    async def conversation(client):
        paths = (STATUS, f"{STATUS}/versions/1", f"{STATUS}/metadata")
        return [(await client.get(path)).json() for path in paths]

    status, version, metadata = ask(conversation)
    ok = {"error_code": "OK", "error_message": ""}
    row = {"version": "1", "state": "AVAILABLE", "status": ok}
    assert status == version == {"model_version_status": [row]}
    spec = {"name": "squares", "signature_name": "", "version": "1"}
    assert metadata["model_spec"] == spec
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    default = signatures["serving_default"]
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    shape = default["outputs"]["probabilities"]["tensor_shape"]
    assert [part["size"] for part in shape["dim"]] == ["-1", "3"]


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/v1/models/other:predict", 404, "request: Latest(other)"),
        ("POST", f"{STATUS}/versions/9:predict", 404, "request: Specific(squares, 9)"),
        ("GET", "/v1/models/other", 404, "any versions of model other"),
        ("GET", f"{STATUS}/versions/9", 404, "model squares and version 9"),
        ("GET", "/v1/models/other/metadata", 404, "request: Latest(other)"),
        ("GET", "/nowhere", 404, "Malformed request: GET /nowhere"),
        ("POST", STATUS, 405, "Malformed request: POST /v1"),
        ("POST", f"{STATUS}:classify", 405, "Malformed request: POST"),
        ("POST", "/explain?class_id=0", 404, "not at hand"),
    ],
)
def test_wrong_address_gets_a_reason(ask, method, path, status, said):
    async def conversation(client):
        return await client.request(method, path, json={})

    answer = ask(conversation)
    assert answer.status_code == status and said in answer.json()["error"]


def test_version_that_is_named_answers(ask, red):
    async def conversation(client):
        path = f"{STATUS}/versions/1:predict"
        return await client.post(path, json=rows(red.read_bytes()))

    assert ask(conversation).json()["predictions"][0]["label"] == "red"


@pytest.mark.parametrize(
    ("limits", "count", "status", "said"),
    [
        ({"body_mb": 0.001}, 1, 413, "larger than 0.001 megabytes"),
        ({"images": 2}, 3, 400, "3 rows are too many: at most 2"),
        ({"megapixels": 0.0007}, 1, 400, "Image 0 has 0.0 million pixels"),
        ({"seconds": 1e-9}, 1, 503, "No answer within 1e-09 seconds"),
    ],
)
def test_too_much_is_refused(ask, red, limits, count, status, said):
    async def conversation(client):
        return await client.post(PREDICT, json=rows(*[red.read_bytes()] * count))

    answer = ask(conversation, **limits)
    assert answer.status_code == status and said in answer.json()["error"]
    assert ("retry-after" in answer.headers) == (status == 503)


def test_body_of_unknown_length_is_cut_off_where_it_is_too_large(ask):
    sent = 0

    async def endless():
        nonlocal sent
        while sent < 10_000_000:
            sent += 1000
            yield b" " * 1000

    async def conversation(client):
        answer = await client.post(PREDICT, content=endless())
        return answer, client.server.bodies.held

    answer, held = ask(conversation, body_mb=0.01)
    assert answer.status_code == 413 and held == 0


def test_more_bodies_than_fit_into_memory_are_told_to_come_back(ask):
    async def conversation(client):
        client.server.bodies.held = 9 * 10_000
        return await client.post(PREDICT, content=b"{}")

    answer = ask(conversation, body_mb=0.01)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_compressed_body_is_refused(ask):
    async def conversation(client):
        headers = {"Content-Encoding": "gzip"}
        return await client.post(PREDICT, content=b"x", headers=headers)

    assert ask(conversation).status_code == 415


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8501", True),
        ("localhost:8501", True),
        ("LOCALHOST", True),
        ("[::1]:8501", True),
        ("192.168.1.7:80", True),
        ("mine.example:8501", True),
        ("evil.example:8501", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_name_that_could_be_somebody_else_s_is_not_answered(ask, host, allowed):
    async def conversation(client):
        return await client.get(STATUS, headers={"Host": host})

    answer = ask(conversation, names=["mine.example"])
    assert answer.status_code == (200 if allowed else 400)
    assert allowed or "is not asked by the name" in answer.json()["error"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8501", 200),
        ("http://evil.example", 403),
        ("http://127.0.0.1:9999", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
def test_pages_of_other_servers_may_not_ask(ask, red, origin, status):
    async def conversation(client):
        headers = {"Origin": origin}
        body = rows(red.read_bytes())
        return await client.post(PREDICT, json=body, headers=headers)

    answer = ask(conversation)
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


def test_page_is_whole_and_asks_for_nothing_outside(ask):
    async def conversation(client):
        return [await client.get(path) for path in ("/", "/page.css", "/page.js")]

    answers = ask(conversation)
    kinds = [answer.headers["content-type"].split(";")[0] for answer in answers]
    assert kinds == ["text/html", "text/css", "text/javascript"]
    for answer in answers:
        assert "://" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_page_learns_of_classes_and_limits(ask):
    async def conversation(client):
        return (await client.get("/about")).json()

    assert ask(conversation, body_mb=3) == {
        "name": "squares",
        "version": 1,
        "classes": ["blue", "green", "red"],
        "several": False,
        "explains": False,
        "body_bytes": 3_000_000,
    }


def test_openapi_document_names_the_paths(ask):
    async def conversation(client):
        return (await client.get("/openapi.json")).json()

    assert "/v1/models/{name}:predict" in ask(conversation)["paths"]


def test_failure_of_ours_is_no_traceback(ask, monkeypatch, caplog):
    async def conversation(client):
        def fail(*arguments):
            raise RuntimeError("a secret")

        monkeypatch.setattr(client.server, "about", fail)
        return await client.get("/about")

    answer = ask(conversation)
    assert answer.status_code == 500 and "secret" not in answer.text
    assert "see the server's messages" in answer.json()["error"]
    assert "a secret" in caplog.text


def test_heat_map_of_an_image_is_a_picture(ask, heat, red):
    async def conversation(client):
        answers = [
            await client.post("/explain", params={"class_id": name}, content=content)
            for name, content in (
                ("2", red.read_bytes()),
                ("3", red.read_bytes()),
                ("x", red.read_bytes()),
                ("2", b"no image"),
            )
        ]
        return answers, (await client.get("/about")).json()["explains"]

    (picture, unknown, unclear, broken), explains = ask(conversation, heat=heat)
    assert picture.headers["content-type"] == "image/png" and explains
    assert picture.content.startswith(b"\x89PNG")
    said = [answer.json()["error"] for answer in (unknown, unclear, broken)]
    assert said[0] == "There is no class 3." and "number of a class" in said[1]
    assert said[2].startswith("not an image")
    statuses = {answer.status_code for answer in (unknown, unclear, broken)}
    assert statuses == {400}


def test_version_of_another_run_is_not_explained_by_this_one(
    ask, shelf, heat, red, monkeypatch
):
    export = shelf.current.export
    facts = {**export.facts, "metrics": {"accuracy": 0.5}}
    monkeypatch.setitem(vars(export), "facts", facts)

    async def conversation(client):
        answer = await client.post("/explain?class_id=2", content=red.read_bytes())
        return answer.status_code, (await client.get("/about")).json()["explains"]

    assert ask(conversation, heat=heat) == (404, False)


def test_too_many_pictures_at_once_are_told_to_come_back(ask, heat, red):
    async def conversation(client):
        asked = [
            client.post("/explain?class_id=2", content=red.read_bytes())
            for _ in range(9)
        ]
        return [answer.status_code for answer in await asyncio.gather(*asked)]

    statuses = ask(conversation, heat=heat)
    assert set(statuses) == {200, 503} and statuses.count(200) == 4


def test_client_that_goes_leaves_the_server_well(ask, red):
    body = json.dumps(rows(red.read_bytes()))

    async def conversation(client):
        for seconds in (0.0, 0.001, 0.003):
            try:
                async with asyncio.timeout(seconds):
                    await client.post(PREDICT, content=body)
            except TimeoutError:
                pass
        answer = await client.post(PREDICT, content=body)
        return answer, client.server

    answer, server = ask(conversation)
    assert answer.json()["predictions"][0]["label"] == "red"
    assert server.bodies.held == 0 and server.shelf.current.users == 0
