#!/bin/sh
# `exec` puts Python in the place of this script, so that `docker stop` reaches the app. As the
# first process of a container Python would not heed that; so it is told to, as with Ctrl-C.
exec python -c 'import runpy, signal
signal.signal(signal.SIGTERM, signal.default_int_handler)
runpy.run_path("main.py", run_name="__main__")'
