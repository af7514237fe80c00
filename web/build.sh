#!/bin/bash
# Builds the page into web/dist, a folder for any static host. Needs the Rust target wasm32-unknown-unknown (rustup target add), and
# wasm-bindgen's program of the version in Cargo.lock, which it installs into target/tools where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(awk '/^name = "wasm-bindgen"$/ {getline; gsub(/[^0-9.]/, ""); print}' Cargo.lock)
bindgen=${WASM_BINDGEN:-$(command -v wasm-bindgen || true)}
if [ -z "$bindgen" ] || [ "$("$bindgen" --version)" != "wasm-bindgen $version" ]; then
    bindgen=target/tools/bin/wasm-bindgen
    [ -x "$bindgen" ] && [ "$("$bindgen" --version)" = "wasm-bindgen $version" ] ||
        cargo install wasm-bindgen-cli --version "$version" --root target/tools
fi
cargo build --locked --package roofprobe-page --profile page --target wasm32-unknown-unknown
rm -rf web/dist
mkdir web/dist
"$bindgen" --target web --no-typescript --out-dir web/dist target/wasm32-unknown-unknown/page/roofprobe_page.wasm
cp web/page/*.html web/page/*.css web/page/*.js src/report/html/report.js web/dist/
bytes=$(tar -cz -C web/dist . | wc -c)
echo "web/dist: $(du -sk web/dist | cut -f1) kB, $((bytes / 1000)) kB compressed. To open it: web/serve.sh"
[ "$bytes" -le 3000000 ] || { echo "more than 3 MB compressed" >&2; exit 1; }
