#!/bin/sh
# `exec` replaces this script with Python, so that `docker stop` reaches the app.
exec python main.py
