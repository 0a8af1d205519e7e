#!/bin/sh
# `exec` puts Python in the place of this script, so that `docker stop` reaches the app.
exec python main.py
