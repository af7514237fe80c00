#!/bin/bash
# Serves web/dist on this machine alone. Any static server will do; a page from disk (file://) may not load WebAssembly.
cd "$(dirname "$0")/dist" || exit 1
echo "http://localhost:${1:-8080}/"
exec python3 -m http.server --bind 127.0.0.1 "${1:-8080}"
