#!/bin/bash
# Archives of static programs with completions, manual pages, licences and checksums, into dist/:
#   deploy/release.sh [TARGET…]
# As a rule Linux with musl on x86-64 and AArch64, without GPUs (a static program cannot load a driver), and Windows with them. Needs the
# Rust targets; for AArch64 Rust's own linker, for Windows mingw-w64. docs/platforms.md says what was built and run.
set -euo pipefail
cd "$(dirname "$0")/.."
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu)
mkdir -p dist
# The scripts and pages are the same for all targets: they come from a program that runs here.
here=$(rustc -vV | sed -n 's/^host: //p')
maker=
for target in "${targets[@]}"; do
    rustup target add "$target"
    features=() program=roofprobe
    case $target in
        *-musl) features=(--no-default-features --features cli) ;;
        *windows*) program=roofprobe.exe ;;
    esac
    case $target in
        aarch64-*-musl) export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld ;;
    esac
    cargo build --locked --release --target "$target" "${features[@]}" --config 'profile.release.strip = "symbols"'
    folder=dist/roofprobe-$target
    rm -rf "$folder"
    mkdir -p "$folder/completions" "$folder/man"
    cp "target/$target/release/$program" LICENSE-APACHE LICENSE-MIT README.md CHANGELOG.md "$folder/"
    case $target in "${here%-*}"-*) maker=target/$target/release/$program ;; esac
    if [ -z "$maker" ]; then
        cargo build --locked --release "${features[@]}"
        maker=target/release/roofprobe
    fi
    for shell in bash zsh fish elvish powershell; do
        "$maker" completions "$shell" >"$folder/completions/roofprobe.$shell"
    done
    "$maker" completions man -o "$folder/man"
    case $target in
        *windows*) (cd dist && zip -qr "roofprobe-$target.zip" "roofprobe-$target") ;;
        *) tar -C dist -czf "dist/roofprobe-$target.tar.gz" "roofprobe-$target" ;;
    esac
    du -b "$folder/$program"
done
cd dist
find . -maxdepth 1 \( -name '*.tar.gz' -o -name '*.zip' \) -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS
cat SHA256SUMS
