"""Download the VGG11 weights into data/ and check them.

python download_model.py               from the addresses below, unless the file is there already
python download_model.py --url URL     from another address, such as your institution's mirror
python download_model.py --file PATH   no network: copy a file that you have brought by hand
python download_model.py --if-missing  nothing, if any file (perhaps your own) is there already
"""

import argparse
import errno
import filecmp
import os
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import time
import zipfile
from pathlib import Path

try:
    import pooch
    import requests
    from tqdm import tqdm
except ImportError:
    sys.exit("Install what this app needs first: pip install -r requirements.txt")

# The model: its place, the addresses to try in turn, and what is known of the right file.
FILE = Path(__file__).parent / "data" / "image_classification_vgg11.pth"
SOURCES = (
    "https://download.pytorch.org/models/vgg11-8a719046.pth",
    "https://nextcloud.dc.scilifelab.se/s/8FLB6JqJsPBDcWw/download",
)
# PyTorch has published these weights in two files, and of each only how its digest begins.
SHA256 = ("8a719046", "bbd30ac9")
# 132,863,336 weights of 4 bytes are 531.5 MB (506.8 MiB, the size that torchvision states).
MIN_BYTES = 531_000_000
MAX_BYTES = 532_000_000

TIMEOUT_S = 30  # without any data
RETRY_WAITS_S = (2, 10)  # before the second and the third attempt

# What can lie behind a failed download, whether it may pass by itself, and how to say it.
FAULTS = (
    (requests.exceptions.ProxyError, True, "The proxy (see http_proxy, https_proxy) does not work"),
    (ssl.SSLCertVerificationError, False, "The server's certificate is not trusted here"),
    (socket.gaierror, False, "There is no network, or no server of this name"),
    (TimeoutError, True, f"No data came for {TIMEOUT_S} seconds"),
    (ConnectionRefusedError, True, "The server refused the connection"),
    (requests.exceptions.ChunkedEncodingError, True, "The connection was cut half-way"),
    (requests.exceptions.ConnectionError, True, "The connection could not be made, or was cut"),
)


class Failed(Exception):
    """A sentence for the user, and whether another attempt may do better."""

    def __init__(self, sentence, may_pass=False):
        super().__init__(sentence)
        self.may_pass = may_pass


class ProgressBar(tqdm):
    def __bool__(self):
        return True  # pooch asks whether there is a bar; tqdm tells whether the total is known

    def reset(self, total=None):
        # pooch refills the bar at the end; the clock must go on, or the final speed is wrong
        self.n = 0 if self.total else self.n


def explain(error, url):
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code
        reason = "has no such file (404 Not Found)" if status == 404 else f"answered HTTP {status}"
        return Failed(f"The server {reason}: {url}", may_pass=status == 429 or status >= 500)
    chain = [error]
    while chain[-1].__context__:
        chain.append(chain[-1].__context__)
    for kind, may_pass, sentence in FAULTS:
        if any(isinstance(link, kind) for link in chain):
            return Failed(f"{sentence}: {url}", may_pass)
    return Failed(f"The download failed ({error}): {url}")


def download(url, path):
    print(f"Downloading {url}", flush=True)
    try:
        # the tiny delay keeps the bar away until there is data
        with ProgressBar(unit="B", unit_scale=True, mininterval=0.5, delay=0.001) as bar:
            get = pooch.HTTPDownloader(timeout=TIMEOUT_S, progressbar=bar, chunk_size=2**17)
            pooch.retrieve(url, None, path.name, path.parent, downloader=get)
    except (requests.RequestException, ValueError) as error:
        raise explain(error, url) from error


def check(path):
    """Is this the model? Return True and what was checked, or False and what the file is."""
    if not path.is_file():
        return False, "not a file"
    with path.open("rb") as file:
        beginning = file.read(1024)
    if beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html")):
        return False, "a web page instead of the model (often one to sign in, or about an error)"
    size = path.stat().st_size
    if not MIN_BYTES <= size <= MAX_BYTES:
        span = f"{MIN_BYTES:,} to {MAX_BYTES:,}"
        return False, f"a file of the wrong size, perhaps cut short ({size:,} bytes, not {span})"
    if SHA256:
        digest = pooch.file_hash(str(path))
        for known in SHA256:
            if digest.startswith(known):
                return True, f"Checked: size and SHA-256 digest (published: {known})."
        return False, f"another file than the published one (its SHA-256 digest is {digest})"
    checked = "No digest was published for this model. Checked instead: size, and"
    # the number that opens PyTorch's older format, which has no checksums
    if (0x1950A86A20F9469CFC6C).to_bytes(10, "little") in beginning[:32]:
        return True, f"{checked} that it begins like a PyTorch file (of the older format)."
    try:
        with zipfile.ZipFile(path) as archive:
            is_model = any(name.endswith("/data.pkl") for name in archive.namelist())
            if is_model and archive.testzip() is None:
                return True, f"{checked} that it is a PyTorch file with all its checksums right."
    except Exception as error:  # a damaged archive can go wrong in many ways
        return False, f"no PyTorch file, or a damaged one ({error})"
    return False, "no PyTorch file, or a damaged one"


def bring(source):
    """Bring the file, check it and, only if it is right, give it its final name."""
    # inside data/, hence on the same disk: the last step is a mere change of name
    with tempfile.TemporaryDirectory(prefix=".download-", dir=FILE.parent) as folder:
        new = Path(folder) / FILE.name
        if isinstance(source, Path):
            shutil.copyfile(source, new)
        else:
            download(source, new)
        right, report = check(new)
        if not right:
            sender = f"{source} is" if isinstance(source, Path) else "The server sent"
            raise Failed(f"{sender} {report}.")
        # pooch makes files private, but the app may run as another user (in a container)
        new.chmod(0o644)
        old = FILE
        while os.path.lexists(old):  # an earlier .replaced is not overwritten either
            old = old.with_name(old.name + ".replaced")
        if old != FILE:
            os.replace(FILE, old)
        os.replace(new, FILE)
    if old != FILE:
        print(f"The file that was there before is now {old}")
    print(f"Saved {FILE}\n{report}", flush=True)


def explain_disk(error):
    needed = f"The model needs {MIN_BYTES / 1e6:,.0f} MB in {FILE.parent}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk, or your quota, is full. {needed}: make room and try again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission ({error}). {needed}: see that you may write there."
    return f"A file could not be read or written: {error}. Is another download running here?"


def get_model(url=None, file=None):
    if url is not None and not url.lower().startswith(("http://", "https://")):
        raise Failed(f"--url needs an address that begins with https:// or http://, not {url}")
    if file and not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise Failed(f"--file needs the path of a file; {file} {what}.")
    for left_over in FILE.parent.glob(".download-*"):  # of a run that was killed
        shutil.rmtree(left_over, ignore_errors=True)
    if os.path.lexists(FILE):
        right, report = check(FILE)
        if right and (file is None or filecmp.cmp(file, FILE, shallow=False)):
            print(f"{FILE} is there already.\n{report}")
            return
        if not right:
            print(f"{FILE} is {report}. It stays until a good one is there.", flush=True)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(FILE.parent).free < MIN_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for source in [file or url] if file or url else SOURCES:
        for wait in (*RETRY_WAITS_S, None):
            try:
                return bring(source)
            except Failed as failure:
                print(failure, file=sys.stderr)
                if wait is None or not failure.may_pass:
                    break
            print(f"Trying again in {wait} s.", file=sys.stderr)
            time.sleep(wait)
    raise Failed("Nothing was saved. Try --url (a mirror) or --file (brought by hand): see README.")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--url", help="download from here, such as your institution's mirror")
    either.add_argument("--file", type=Path, help="copy this file that you have brought by hand")
    parser.add_argument("--if-missing", action="store_true", help="do nothing if a file is there")
    args = parser.parse_args(argv)
    if args.if_missing and os.path.lexists(FILE):
        return 0
    pooch.get_logger().setLevel("WARNING")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidy up, as on Ctrl-C
    try:
        get_model(args.url, args.file)
        return 0
    except KeyboardInterrupt:
        code, sentence = 130, "Stopped. No half-finished file was left; run it again to start over."
    except Failed as failure:
        code, sentence = 1, failure
    except OSError as error:
        code, sentence = 1, explain_disk(error)
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
