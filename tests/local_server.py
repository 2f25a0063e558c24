"""A web server on this machine that is slow, breaks off, lies or refuses, as told."""

import contextlib
import hashlib
import http.server
import io
import socket
import threading
import time

import h5py
import numpy as np


def hdf5():
    """Returns the content of a small HDF5 file."""
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened["kernel"] = np.arange(40_000)
    return file.getvalue()


CONTENT = hdf5()
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><title>Sign in</title>"


class Answers:
    """What a server does, one after another; each writes to the connection."""

    @staticmethod
    def whole(request, content=CONTENT):
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    @staticmethod
    def slow(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        for start in range(0, len(CONTENT), len(CONTENT) // 8):
            request.wfile.write(CONTENT[start : start + len(CONTENT) // 8])
            request.wfile.flush()
            time.sleep(0.02)

    @staticmethod
    def cut_off(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        request.wfile.write(CONTENT[: len(CONTENT) // 2])

    @staticmethod
    def cut_off_without_a_length(request):
        request.send_response(200)
        request.end_headers()
        request.wfile.write(CONTENT[: len(CONTENT) // 2])

    @staticmethod
    def cut_off_in_chunks(request):
        request.protocol_version = "HTTP/1.1"
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"ffff\r\n" + CONTENT[:1000])

    @staticmethod
    def reset(request):
        request.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )
        request.connection.close()

    @staticmethod
    def silent(request):
        request.server.closing.wait(5)

    @staticmethod
    def page(request):
        Answers.whole(request, PAGE)

    @staticmethod
    def not_found(request):
        request.send_error(404)

    @staticmethod
    def busy(request):
        request.send_error(503)

    @staticmethod
    def moved(request):
        request.send_response(302)
        request.send_header("Location", "/elsewhere/other.h5")
        request.end_headers()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answers = self.server.answers
        self.server.asked.append(self.path)
        # The last answer is given again and again.
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving():
    """Gives a running server: `answers` says what it does, `asked` what was asked."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.handle_error = True, lambda *_: None
        server.answers, server.asked = [Answers.whole], []
        server.closing = threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}/files/net_notop.h5"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()
