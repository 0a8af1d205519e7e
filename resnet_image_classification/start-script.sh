#!/bin/sh
# A Hugging Face Space sets SYSTEM, and Gradio would then look for a package it doesn't need.
# Kubernetes sets the other to an address if it has a service called gradio-server.
unset SYSTEM GRADIO_SERVER_PORT
# `exec` replaces this script with Python, so that `docker stop` reaches the app.
exec python main.py
