#!/usr/bin/env bash
# Runs the kernels' tests on an emulated Sapphire Rapids (Bochs), for machines without AMX or AVX512-FP16: what they compute,
# never how fast.
#
#   kernels/tests/emulated.sh bochs SOURCE DIR    builds Bochs from its source tree (3.0 or later) into DIR: two minutes
#   kernels/tests/emulated.sh kernel DIR          fetches Debian's Linux for virtual machines into DIR
#   kernels/tests/emulated.sh run DIR [TEST[=FILTER]...]      runs integration tests (matmul, chains and attention) with both
#
# Only the kernels of the instruction sets in ROOFPROBE_ISAS are tested (amxbf16,amxint8,avx512fp16). Needs the Rust target
# x86_64-unknown-linux-musl, and of Debian grub-pc-bin, grub-common, xorriso, mtools and cpio.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=x86_64-unknown-linux-musl
isas=${ROOFPROBE_ISAS:-amxbf16,amxint8,avx512fp16}
seconds=${SECONDS_MAX:-1800}

build_bochs() {
  mkdir -p "$2"
  cp -r "$1" "$2/source"
  cd "$2/source"
  # Linux gives tiles only to CPUs with XFD, which Bochs does not have: it is claimed. What it would trap is the first use of
  # tiles, which makes room for them in the thread's state; a single process needs none.
  sed -i '/EAX\[4\] - support for XFD/{n;s/leaf->eax = 0;/leaf->eax = 1 << 4;/}' cpu/cpuid.cc
  # Two mistakes of Bochs 3.0 and of the sources after it: products of bytes with and without sign take all as without one, and the
  # second half of VCVTNE2PS2BF16 reads behind its operand (CPUs that have it agree with the manual).
  sed -i '/ DPBD\(SU\|US\)(Bit32u/,/^}/s/Bit32s(\([xy]byte\[.\]\))/Bit32s(Bit8s(\1))/' cpu/avx/amx.cc
  sed -i '/VCVTNE2PS2BF16_MASK/,/^}/s/op1.vmm32u(n))/op1.vmm32u(n - DWORD_ELEMENTS(len)))/' cpu/avx/avx512_bf16.cc
  ./configure --enable-x86-64 --enable-avx --enable-evex --enable-amx --enable-all-optimizations --disable-docbook --with-nogui
  make -j"$(nproc)"
  cp bochs bios/BIOS-bochs-latest bios/VGABIOS-lgpl/VGABIOS-lgpl-latest.bin "$2"
}

fetch_kernel() {
  mkdir -p "$1/package"
  cd "$1/package"
  apt-get download "$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')"
  dpkg -x linux-image-*.deb .
  cp boot/vmlinuz-* "$1/vmlinuz"
}

# The first process of the emulated machine: runs every program in /tests, says how each ended, and turns the power off.
init_program() {
  cat <<'RUST'
use std::process::Command;
unsafe extern "C" { fn reboot(how: i32) -> i32; }
fn main() {
    let mut tests: Vec<_> = std::fs::read_dir("/tests").unwrap().map(|entry| entry.unwrap().path()).collect();
    tests.sort();
    for test in tests {
        let name = test.file_name().unwrap().to_string_lossy().into_owned();
        let filter = name.split('=').skip(1);
        let mut run = Command::new(&test);
        let ended = run.args(["--test-threads=1", "--nocapture"]).args(filter).env("ROOFPROBE_ISAS", env!("ISAS")).status();
        println!("EMULATED {} {ended:?}", test.display());
    }
    // The console is slow: what was said shall have arrived.
    std::thread::sleep(std::time::Duration::from_secs(2));
    unsafe { reboot(0x4321_fedc) };
    loop {}
}
RUST
}

run() {
  local dir=$1
  shift
  [ $# -gt 0 ] || set -- matmul agree=chains_agree attention=agree=equal_weights=exact
  cd "$here/.."
  rm -rf "$dir/initramfs" "$dir/iso" "$dir/console.txt"
  mkdir -p "$dir/initramfs/tests" "$dir/iso/boot/grub"
  for test in "$@"; do
    program=$(CC_x86_64_unknown_linux_musl=${CC:-gcc} cargo test --target "$target" --test "${test%%=*}" --no-run --message-format=json \
      | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
    cp "$program" "$dir/initramfs/tests/$test"
  done
  init_program > "$dir/init.rs"
  ISAS=$isas rustc --edition 2024 --target "$target" -O -o "$dir/initramfs/init" "$dir/init.rs"
  (cd "$dir/initramfs" && find . | cpio -o -H newc --quiet | gzip -1 > "$dir/iso/boot/initrd.gz")
  cp "$dir/vmlinuz" "$dir/iso/boot/vmlinuz"
  # Bochs has not the register that says that string instructions are fast: Linux forgets one of two features that belong
  # together, and its memmove goes wrong with the other alone.
  cat > "$dir/iso/boot/grub/grub.cfg" <<'GRUB'
set timeout=0
linux /boot/vmlinuz console=ttyS0,115200 quiet mitigations=off tsc=reliable clearcpuid=fsrm
initrd /boot/initrd.gz
boot
GRUB
  grub-mkrescue -o "$dir/boot.iso" "$dir/iso" 2> /dev/null
  cat > "$dir/bochsrc" <<CONFIGURATION
megs: 1024
cpu: model=sapphire_rapids, count=1, ips=200000000, ignore_bad_msrs=1
romimage: file=$dir/BIOS-bochs-latest
vgaromimage: file=$dir/VGABIOS-lgpl-latest.bin
ata0-master: type=cdrom, path=$dir/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$dir/console.txt
log: $dir/bochs.txt
panic: action=fatal
error: action=ignore
info: action=ignore
display_library: nogui
clock: sync=none
CONFIGURATION
  timeout "$seconds" "$dir/bochs" -q -f "$dir/bochsrc" > /dev/null 2>&1 < /dev/null || true
  tr -d '\r' < "$dir/console.txt"
  # Every test must have ended well.
  [ "$(grep -c '^EMULATED .*Ok(ExitStatus(unix_wait_status(0)))' "$dir/console.txt")" = $# ]
}

case "${1:-}" in
  bochs) build_bochs "$(realpath "$2")" "$(realpath -m "$3")" ;;
  kernel) fetch_kernel "$(realpath -m "$2")" ;;
  run) dir=$(realpath "$2"); shift 2; run "$dir" "$@" ;;
  *) sed -n '2,12p' "$0" >&2; exit 2 ;;
esac
