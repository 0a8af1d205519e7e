"""A registry of container images on this computer, as far as `docker push` and `pull` need one."""

import contextlib
import hashlib
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Registry(BaseHTTPRequestHandler):
    """Responds as the OCI distribution specification says, and keeps all in `self.server.kept`."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def respond(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content_Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/v2/":
            return self.respond(200, b"{}", Content_Type="application/json")
        if path not in self.server.kept:
            error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            return self.respond(404, json.dumps(error).encode(), Content_Type="application/json")
        kind, body = self.server.kept[path]
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        self.respond(200, body, Content_Type=kind, Docker_Content_Digest=digest)

    do_HEAD = do_GET

    def do_POST(self):
        self.read_body()
        self.respond(202, Location=f"{self.path.partition('?')[0].rstrip('/')}/{uuid.uuid4()}")

    def do_PATCH(self):
        body = self.server.kept.get(self.path, ("", b""))[1] + self.read_body()
        self.server.kept[self.path] = ("", body)
        self.respond(202, Location=self.path, Range=f"0-{len(body) - 1}")

    def do_PUT(self):
        path, body = self.path.partition("?")[0], self.read_body()
        if "/uploads/" in path:  # the end of a blob
            body = self.server.kept.pop(path, ("", b""))[1] + body
            folder = path.partition("/uploads/")[0]
        else:
            folder = path.rpartition("/")[0]
            self.server.kept[path] = (self.headers["Content-Type"], body)
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        kind = self.headers.get("Content-Type", "application/octet-stream")
        self.server.kept[f"{folder}/{digest}"] = (kind, body)
        self.respond(201, Location=f"{folder}/{digest}", Docker_Content_Digest=digest)


@contextlib.contextmanager
def registry():
    """Run a registry; give its address, and what it keeps by path."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        server.kept = {}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", server.kept
        server.shutdown()
