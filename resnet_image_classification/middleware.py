"""Check each request before Gradio sees it: pass on what the app's own page sends, refuse the rest.

Gradio 6.31 opens files and fetches addresses that a caller names, and some calls that its page
never makes end an app for everybody. guard.py puts this in front of an app.
"""

import asyncio
import base64
import collections
import contextlib
import errno
import logging
import mimetypes
import os
import re
import secrets
import time
import traceback
from pathlib import Path

import httpx
import orjson
from gradio.routes import file_upload_statuses
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

# ---- Limits ----

MAX_JSON, MAX_HELD, SMALL = 4_000_000, 100_000_000, 100_000  # bytes
MAX_FILES, MAX_EVENTS, MAX_VALUES, MAX_DEPTH, MAX_ADDRESS = 200, 1_000, 50_000, 50, 4_000
MAX_NAMED = 1_000  # files in a call
UNREAD_S, HEALTH_S, ARRIVE_S = 120, 5, 120

# ---- What is kept for callers ----


class Results(dict):
    """The messages that each session still has to read. This replaces Gradio's own dictionary.

    That one forgets a session once 2,000 others have come, even if it is waiting. Gradio's queue
    then fails with KeyError, for everybody and for good. It also keeps what nobody ever reads.
    """

    def __init__(self, blocks):
        self.queue, self.states = blocks._queue, blocks.state_holder
        self.events = self.queue.pending_event_ids_session  # of each session: waiting or unread
        self.reading, self.idle_since = collections.Counter(), {}
        self.held, self.coming = {}, []  # bytes: of each session, and of calls on their way
        self.queue.pending_messages_per_session = self

    def __missing__(self, session):
        return asyncio.Queue()  # its user has left

    def __delitem__(self, session):
        self.pop(session, None)

    def forget(self, hurry=False):
        """Forget sessions that had UNREAD_S to read their results; in a hurry, all that did."""
        now = time.monotonic()
        for session in {*self, *self.events}:
            events = self.events.get(session, ())
            waiting = sum(event in self.queue.event_ids_to_events for event in events)
            if self.reading[session] or (events and waiting == len(events)):
                self.idle_since.pop(session, None)
            elif (hurry and not events) or now - self.idle_since.setdefault(
                session, now
            ) > UNREAD_S:
                for each in (self, self.events, self.idle_since):
                    each.pop(session, None)
        self.reading = +self.reading
        self.held = {s: n for s, n in self.held.items() if s in self or s in self.states}

    def forget_values(self, session):
        """Forget what a session has sent last, for good: Gradio keeps that for 100 sessions."""
        for each in (self.states.session_data, self.states.time_last_used, self.held):
            each.pop(session, None)

    @property
    def size(self):
        return sum(self.held.values()) + sum(self.coming)

    @contextlib.contextmanager
    def room(self, size):
        """Make room for a call, or refuse it. Waiting calls and unread results are kept."""
        if len(self) >= MAX_EVENTS or self.size + size > MAX_HELD:
            self.forget(hurry=True)
            for session in [*self.states.session_data]:  # the oldest first
                if self.size + size > MAX_HELD and session not in self:
                    self.forget_values(session)
        many = len(self.coming) + sum(map(len, self.events.values())) >= MAX_EVENTS
        if many or (size > SMALL and self.size + size > MAX_HELD):
            raise Refused(429, BUSY)
        self.coming.append(size)
        try:
            yield
        finally:
            self.coming.remove(size)

    def hold(self, session, size):
        others = len(self.events.get(session, ())) > 1
        self.held[session] = size + (self.held.get(session, 0) if others else 0)


@contextlib.asynccontextmanager
async def forgetting(blocks):
    results = Results(blocks)

    async def forget():
        while True:
            await asyncio.sleep(UNREAD_S / 10)
            results.forget()

    task = asyncio.create_task(forget())
    yield
    task.cancel()


# ---- Requests ----

ID, NAME, REST = r"[\w-]{1,64}", r"[^/\x00-\x1f]{1,100}", r"[^\x00-\x1f]+"
GET = rf"""/ | /(config|theme\.css|robots\.txt|favicon\.ico|manifest\.json|pwa_icon(/(192|512))?)/?
 | /(static|assets|svelte)/{REST}
 | /gradio_api/(info|openapi\.json|app_id|user|token|login_check|startup-events|theme\.css)/?
 | /gradio_api/(queue/(data|status)|upload_progress|heartbeat/{ID}|call/(v2/)?{NAME}/{ID})
 | /gradio_api/file[=/](?!\w+:/){REST}
 | /gradio_api/stream/{ID}/{ID}/\d+/[\w.-]+"""
POST = rf"/gradio_api/(upload|queue/join|(call(/v2)?|run)/{NAME}|cancel|reset)/?"
GET, POST = re.compile(GET, re.VERBOSE), re.compile(POST)
NEEDED = {  # what only some pages ask for, and how to tell
    r"/gradio_api/component_server/?": lambda b: (
        b.renderables or any(c["props"].get("server_fns") for c in b.config["components"])
    ),
    rf"/gradio_api/stream/{ID}(/close)?": lambda b: (
        b.renderables or any(f["connection"] == "stream" for f in b.config["dependencies"])
    ),
    r"/gradio_api/custom_component/[0-9a-f]+/client/[\w.-]+/[\w.-]+": lambda b: any(
        not type(component).__module__.startswith("gradio.") for component in b.blocks.values()
    ),
    r"/gradio_api/deep_link": lambda b: any(
        type(component).__name__ == "DeepLinkButton" for component in b.blocks.values()
    ),
    r"/logout": lambda b: b.auth,
    r"/gradio_api/dev/reload": lambda b: b.dev_mode,  # of `gradio app.py`
}
HOST = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?")
# no other parameter: with charset=punycode, Gradio would read a text for hours
FORM = re.compile(
    r"""multipart/form-data; ?boundary=("?)([\w'()+,./:=?-]{1,70})\1""", re.IGNORECASE
)
FILE = {"orig_name": str, "mime_type": str, "size": int, "is_stream": bool}
REPLACED = {403: 400, 404: 400, 500: 400}  # proxies replace these by pages of their own


class Refused(Exception):
    """A request that is not passed on: a status and a message."""


class Guard:
    """ASGI middleware: pass on what the app's own page sends, and refuse the rest."""

    def __init__(self, app, uploads, routes):
        self.app, self.uploads, self.routes = app, uploads, routes
        self.check, self.asked, self.arriving, self.names = None, -HEALTH_S, 0, {}

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def send_on(message):
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if scope["method"] == "POST":
                    message["status"] = REPLACED.get(message["status"], message["status"])
                elif message["status"] == 200 and self.path_of(scope).startswith("/assets/"):
                    message["headers"] = [*message["headers"], KEPT]
            await send(message)

        try:
            return await self.look(Request(scope, receive), send_on)
        except ClientDisconnect:
            return
        except Refused as refused:
            response = refuse(*refused.args)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):  # the disk, or a share of it
                raise
            for file in self.uploads.glob("*"):
                if file.is_file():  # half an upload; a whole one is in a folder
                    with contextlib.suppress(OSError):  # on Windows, one that is being written
                        delete_half(file)
            response = refuse(507, "The app's disk is full. Please try again later.")
        if not started:
            await response(scope, receive, send)

    @staticmethod
    def path_of(scope):
        return scope["path"].removeprefix(scope.get("root_path", ""))

    async def look(self, request, send):
        """Pass a request on, or raise Refused."""
        path = self.path_of(request.scope)
        blocks, form = request.app.get_blocks(), request.headers.get("content-type", "")
        check_headers(request)
        if path == "/health":
            response = await self.health(request.app)
            return await response(request.scope, request.receive, send)
        if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            # a browser asks whether another site's page may call: Gradio's middleware answers
            return await self.app(request.scope, request.receive, send)
        known = named = path.startswith(self.routes)
        known |= any(re.fullmatch(p, path) and needs(blocks) for p, needs in NEEDED.items())
        if request.method in ("GET", "HEAD"):
            known |= path.rstrip("/") in [f"/{page[0]}" for page in blocks.config["pages"]]
            if not known and not GET.fullmatch(path):
                raise Refused(404, NOTHING)
            return await self.get(path, request, send)
        login = blocks.auth and path.rstrip("/") == "/login"
        if not (known or login or POST.fullmatch(path)):
            raise Refused(400, NOTHING)
        scope, receive = request.scope, request.receive
        # of a form, Gradio counts the files alone
        largest = blocks.max_file_size and blocks.max_file_size + SMALL
        largest = SMALL if login else largest
        if form.lower().startswith("multipart/"):
            boundary = FORM.fullmatch(form)
            if not boundary:
                raise Refused(415, "A form needs one boundary, and no other parameter.")
            receive = limited(request, largest, b"--" + boundary[2].encode())
            if not path.startswith("/gradio_api/upload"):
                # read whole: Gradio would leave half a file in a folder that it shares
                scope, receive = replay(request, body := await self.read(receive))
                if "component_server" in path:
                    await check_form(blocks, *replay(request, body))
            else:
                return await self.upload(request, receive, send)
        elif login or named:
            receive = limited(request, largest)
        else:
            return await self.call(path, request, send)
        await (self.app if login or named else self.pass_on)(scope, receive, send)

    async def upload(self, request, receive, send):
        """Pass on an upload. Gradio deletes half of one only if its own parser stops it."""
        ended = None

        async def receive_or_end():
            nonlocal ended
            try:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                return message
            except (Refused, ClientDisconnect) as error:
                ended = error
                raise MultiPartException("") from None

        async def send_unless_ended(message):
            if not ended:
                await send(message)

        number = self.bound_upload_id(request)
        try:
            await self.pass_on(request.scope, receive_or_end, send_unless_ended)
        except FileNotFoundError:  # the half was swept before
            if not ended:
                raise
        if ended:
            file_upload_statuses.stop_tracking(number)  # the next owner would see a file name
            raise ended

    async def pass_on(self, scope, receive, send):
        """Pass on a POST; of what Gradio makes of a wrong one, the log gets a line."""
        try:
            await self.app(scope, receive, send)
        except (Refused, ClientDisconnect, OSError):
            raise
        except Exception as error:
            frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
            files = {frame.f_code.co_filename for frame in frames} - {__file__}
            if any(Path(file).parent == Path(__file__).parent for file in files):
                raise  # it is the app's own
            logging.getLogger("guard").warning("A call was refused: %.300r", error)
            raise Refused(400, "This request has a wrong form: see Use via API.") from None

    async def get(self, path, request, send):
        """Pass on a GET; a result that is gone is told without a traceback in the log."""
        results = request.app.get_blocks()._queue.pending_messages_per_session
        session, event = None, re.fullmatch(r"/gradio_api/call/.+/([^/]+)", path)
        if path.startswith("/gradio_api/upload_progress"):
            self.bound_upload_id(request)
        elif path.startswith(("/gradio_api/info", "/gradio_api/openapi")):
            request.app.api_info = None  # or everybody would get the address of the first caller
        elif path == "/gradio_api/queue/data":
            session = request.query_params.get("session_hash")
            if session not in results:
                gone = {"msg": "unexpected_error", "message": GONE, "success": False}
                gone = orjson.dumps({**gone, "session_not_found": True}).decode()
                response = Response(f"data: {gone}\n\n", media_type="text/event-stream")
                return await response(request.scope, request.receive, send)
        elif event:
            session = next((s for s, events in results.events.items() if event[1] in events), None)
            if session not in results:
                raise Refused(410, GONE)

        async def send_in_time(message):
            try:
                await asyncio.wait_for(send(message), UNREAD_S)
            except asyncio.TimeoutError:  # it takes nothing, and its results would stay for good
                raise ClientDisconnect from None

        results.reading[session] += 1
        try:
            await self.pass_on(request.scope, request.receive, send_in_time)
        finally:
            results.reading[session] -= 1
            if event and session == event[1] and not results.reading[session]:
                results.pop(session, None)  # no page's: nobody asks again
                results.forget_values(session)

    async def call(self, path, request, send):
        """Pass on JSON that names no file but uploads, and that there is room for."""
        blocks, said = request.app.get_blocks(), bytearray()
        results = blocks._queue.pending_messages_per_session
        if request.headers.get("content-type", "").partition(";")[0].lower() != "application/json":
            raise Refused(415, "Send this as JSON, with Content-Type: application/json.")
        raw = await self.read(limited(request, MAX_JSON))
        if raw.count(b"[") + raw.count(b"{") > MAX_VALUES:  # parsing them takes seconds
            raise Refused(413, MANY_VALUES)
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise Refused(400, "This is not JSON.") from None
        if not isinstance(body, dict):
            raise Refused(400, "This is not a JSON object.")
        for name in ("session_hash", "event_id"):
            if body.get(name) is not None and not re.fullmatch(ID, str(body[name])):
                raise Refused(400, f"{name} is made of up to 64 letters, digits and hyphens.")
        counted = collections.Counter()
        values = {"data": self.clean_values(body.pop("data"), counted)} if "data" in body else {}
        body = {name: self.clean(each, counted, 1) for name, each in body.items()} | values
        check_function(blocks, path.rstrip("/").removeprefix("/gradio_api/"), body)
        size = 4 * len(raw) + 250 * counted["values"]  # in Python, at most: four bytes a letter
        scope, receive = replay(request, orjson.dumps(body))

        async def listen(message):
            said.extend(message.get("body", b"")[: 1_000 - len(said)])
            await send(message)

        if not re.match("/gradio_api/(queue|call|run)/", path):
            return await self.pass_on(scope, receive, send)
        with results.room(size):
            await self.pass_on(scope, receive, listen)
        event = re.match(rb'{"event_id":"(\w+)"}', said)
        if session := body.get("session_hash") or (event and event[1].decode()):
            results.hold(session, size)

    async def read(self, receive):
        """Return a whole body, if it arrives in time."""
        try:
            return await asyncio.wait_for(self.read_all(receive), ARRIVE_S)
        except asyncio.TimeoutError:
            raise Refused(408, "This took too long to arrive. Please send it again.") from None

    async def read_all(self, receive):
        """Return a whole body. Large ones are refused while many arrive, not the small ones."""
        body = bytearray()
        try:
            async for chunk in Request({"type": "http"}, receive).stream():
                body += chunk
                self.arriving += len(chunk)
                if len(body) > SMALL and self.arriving > MAX_HELD:
                    raise Refused(429, BUSY)
        finally:
            self.arriving -= len(body)
        return bytes(body)

    def clean(self, value, counted, depth=0):
        """Return JSON with its files in Gradio's form; raise Refused if one is not an upload."""
        if depth > MAX_DEPTH:
            raise Refused(400, f"This is nested more than {MAX_DEPTH} levels deep.")
        counted["values"] += 1
        if counted["values"] > MAX_VALUES:
            raise Refused(413, MANY_VALUES)
        if isinstance(value, list):
            return [self.clean(each, counted, depth + 1) for each in value]
        if not isinstance(value, dict):
            return value
        path, url, meta = (value.get(key) for key in ("path", "url", "meta"))
        marked = isinstance(meta, dict) and meta.get("_type") == "gradio.FileData"
        bare = value.keys() <= {"path", "url", "meta", *FILE}
        within = path is None and isinstance(url, str) and url.startswith("data:")
        if path is None and not marked and not (within and bare):
            kept = {key: each for key, each in value.items() if key != "url" or "path" not in value}
            return {key: self.clean(each, counted, depth + 1) for key, each in kept.items()}
        counted["files"] += 1  # each costs a look at the disk, or a file on it
        if counted["files"] > (MAX_FILES if within else MAX_NAMED):
            raise Refused(413, "Too many files in one call.")
        if within:
            path = self.save(url)
        if not is_upload(path, self.uploads):
            is_address = re.match("https?://", str(path or url))
            raise Refused(410, NO_ADDRESS if is_address else NO_UPLOAD)
        # without `url`, which the pages of other users would open
        kept = {key: value[key] for key, kind in FILE.items() if isinstance(value.get(key), kind)}
        return {"path": path, "meta": {"_type": "gradio.FileData"}, **kept}

    def clean_values(self, values, counted):
        """Clean the values of a call; tell of one that is refused which it is.

        That is the form of Gradio's own validation: pages and clients show its message.
        """
        if not isinstance(values, list):
            return self.clean(values, counted, 1)
        cleaned = []
        for value in values:
            try:
                cleaned.append(self.clean(value, counted, 2))
            except Refused as refused:
                status, message = refused.args
                if status != 410:
                    raise
                told = [{"__type__": "validate", "is_valid": True, "message": ""} for _ in cleaned]
                told.append({"__type__": "validate", "is_valid": False, "message": message})
                raise Refused(422, told) from None
        return cleaned

    def save(self, url):
        """Write what a data: address holds as an upload; return its path."""
        kind, marker, content = url.removeprefix("data:").partition(";base64,")
        try:
            content = base64.b64decode(content if marker else "?", validate=True)
        except ValueError:  # also where there is no marker
            raise Refused(400, "This data: address is not valid base64.") from None
        folder = self.uploads / secrets.token_hex(16)
        folder.mkdir()
        file = folder / f"upload{mimetypes.guess_extension(kind) or ''}"
        file.write_bytes(content)
        return str(file)

    def bound_upload_id(self, request):
        """Number the last 10,000 names of uploads, because Gradio remembers each for good.

        Return the number as text, or None if the upload has no name.

        No two get the same number, or one user could see the name of another user's file.
        """
        if name := request.query_params.get("upload_id"):
            name = hash(name)
            number = self.names.pop(name, len(self.names))
            if number == 10_000:
                number = self.names.pop(next(iter(self.names)))  # the oldest
            self.names[name] = number
            request.scope["query_string"] = f"upload_id={number}".encode()
            return str(number)
        return None

    async def health(self, app):
        """Ask the app something through its queue: one that has failed never answers."""
        if time.monotonic() - self.asked > HEALTH_S:  # one question for all who ask meanwhile
            self.asked = time.monotonic()
            self.check = asyncio.ensure_future(asyncio.wait_for(is_alive(app), HEALTH_S))
        with contextlib.suppress(asyncio.TimeoutError):
            if not app.get_blocks()._queue.stopped and await asyncio.shield(self.check):
                return JSONResponse({"detail": "The queue works."})
        return JSONResponse({"detail": "The queue does not respond. Restart the app."}, 503)


async def is_alive(app):
    url, transport = "/gradio_api/call/alive", httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.post(url, json={"data": []})
        if response.is_success:
            events = await client.get(f"{url}/{response.json()['event_id']}")
            return "event: complete" in events.text
        return response.json()["detail"] != ENDED  # a full queue, or a login, is no fault


def is_upload(path, folder):
    """Tell whether this is a file in the folder, without touching any other place."""
    if not isinstance(path, str) or len(path) > MAX_ADDRESS:
        return False  # resolve() takes minutes for a path of 4 MB
    try:
        path = Path(os.path.abspath(path))  # only text: asking for \\server\file would call there
        if not path.is_relative_to(folder):
            return False
        return path.resolve().is_relative_to(folder.resolve()) and path.is_file()
    except (OSError, RuntimeError, TypeError, ValueError):  # not a path, or a circle of links
        return False


def delete_half(file):
    """Delete half an upload. It is still open, and deleted alone it would keep its place."""
    os.truncate(file, 0)
    file.unlink()


def check_headers(request):
    """Raise Refused for headers that no browser or proxy sends; leave out those of Gradio."""
    for name in ("host", "x-forwarded-host"):
        value = request.headers.get(name)
        if value is not None and not HOST.fullmatch(value.partition(",")[0].strip()):
            raise Refused(400, f"The header {name} is not a host and a port.")
    if {"content-length", "transfer-encoding"} <= {*request.headers.keys()}:
        raise Refused(400, "Send either Content-Length or Transfer-Encoding.")
    path = request.scope["path"].encode("utf-8", "surrogatepass")
    length = len(path) + len(request.scope["query_string"])
    if length > MAX_ADDRESS or re.search(b"[^/]{256}", path):
        raise Refused(414, "This address is too long.")
    headers = [each for each in request.scope["headers"] if not each[0].startswith(b"x-gradio")]
    request.scope["headers"] = headers


def check_function(blocks, path, body):
    """Raise Refused for a function that has nothing to run here, or for too few or many values."""
    number, values = body.get("fn_index"), body.get("data")
    if path.startswith("call/v2/") or not path.startswith(("queue/", "call/", "run/", "stream/")):
        return  # of `call/v2`, Gradio reads the parameters by name
    state = blocks.state_holder.session_data.get(body.get("session_hash"))
    own = state.blocks_config if state else blocks.default_config  # a session can have its own
    body.pop("batched", None)  # for Gradio's own queue
    name = path.rpartition("/")[2]
    if path.startswith("stream/"):  # what a camera sees next
        event = blocks._queue.event_ids_to_events.get(path.split("/")[1])
        if not event or not event.streaming:
            raise Refused(410, GONE)
        function = event.fn
    elif number is None or path.startswith("call/"):
        function = next((each for each in own.fns.values() if each.api_name == name), None)
    else:
        function = own.fns.get(number) if type(number) is int else None
    if not function or not function.fn:
        raise Refused(400, "There is no such function, or it runs in the browser only.")
    if path.endswith("/close") or not isinstance(values, list):
        return  # Gradio refuses what is no list
    told = [each for each in function.inputs if not each.skip_api]
    if len(values) not in (len(function.inputs), len(told)):
        raise Refused(400, f"This function takes {len(told)} value(s): see Use via API.")
    for value, each in zip(values, function.inputs, strict=False):
        if each.get_block_name() == "dataset":
            chosen = any(target == each._id for target, _ in function.targets)  # by a click
            possible = range(len(own.blocks.get(each._id, each).samples))
            if not (type(value) is int and value in possible) and (chosen or value is not None):
                raise Refused(400, "There is no such example.")


async def check_form(blocks, scope, receive):
    """Raise Refused for a form that gr.ImageEditor fails at; drop what it keeps for too long."""
    try:
        async with Request(scope, receive).form() as form:
            layer = str(form.get("index") or "null")
    except Exception:
        raise Refused(400, "This form cannot be read.") from None
    if not re.fullmatch("null|[0-9]{1,2}", layer):  # it makes room for so many
        raise Refused(400, "There are too many layers.")
    for block in blocks.blocks.values():
        drawings = getattr(block, "blob_storage", {})
        while sum(map(weigh, drawings.values())) > MAX_HELD:
            drawings.pop(next(iter(drawings)))  # the oldest


def weigh(drawing):
    parts = (drawing.background, drawing.composite, *drawing.layers)
    return sum(len(each or b"") for each in parts)


def limited(request, largest, delimiter=None):
    """Return the request's `receive`, with a limit of bytes and of parts between delimiters."""
    size, parts, tail = 0, 0, b""
    if largest and int(request.headers.get("content-length") or 0) > largest:
        raise Refused(413, f"This is too large. Send up to {largest // 10**6} MB.")

    async def receive():
        nonlocal size, parts, tail
        message = await request.receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if largest and size > largest:
            raise Refused(413, f"This is too large. Send up to {largest // 10**6} MB.")
        if delimiter:
            parts += (tail + chunk).count(delimiter)
            tail = (tail + chunk)[1 - len(delimiter) :]
            if parts > MAX_FILES + 10:  # a form has some parts that are no files
                raise Refused(413, f"Too many files. Send up to {MAX_FILES} at once.")
        return message

    return receive


def replay(request, body):
    """Return a scope and a `receive` for a request with this body."""
    old = (b"content-length", b"transfer-encoding")
    headers = [each for each in request.scope["headers"] if each[0] not in old]
    headers.append((b"content-length", str(len(body)).encode()))
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return messages.pop() if messages else await request.receive()

    return {**request.scope, "headers": headers}, receive


# ---- Messages ----

BUSY = "Too many people are using this app right now. Please try again in a minute."
ENDED = "This app has to be restarted by its host. Please try again in a few minutes."
MANY_VALUES = f"Too many values. Send up to {MAX_VALUES} at once."
GONE = "This result is no longer available. Please send your input again."
NO_UPLOAD = "This file was never uploaded, or was deleted. Please upload it again."
# a browser need not ask again for what has a digest in its name: some hosts limit requests
KEPT = (b"cache-control", b"public, max-age=31536000, immutable")
NO_ADDRESS = "The app does not open web addresses. Please download the file first and send that."
NOTHING = "This app has nothing at this address."


def refuse(status, message):
    return JSONResponse({"detail": message}, status, {"Retry-After": "60"} if status == 429 else {})


async def say_busy(request, error):
    """Tell who finds the queue full; proxies replace Gradio's own 503 by a page of theirs."""
    return refuse(429, ENDED if "stopped" in error.detail else BUSY)
