//! The cache levels, from sysfs.

use super::{cpu_path, listed, word};
use crate::profile::Cache;
use core_affinity::CoreId;
use std::collections::BTreeMap;

/// Data and unified caches of the allowed cores, from sysfs; empty where there is none.
pub(super) fn caches(cores: &[CoreId]) -> Vec<Cache> {
    // One instance is one set of CPUs at one level.
    let mut instances: BTreeMap<(u32, String), u64> = BTreeMap::new();
    for &core in cores {
        for index in 0.. {
            let file = |name: &str| word(&cpu_path(core, &format!("cache/index{index}/{name}")));
            let Some(kind) = file("type") else { break };
            let level = file("level").and_then(|l| l.parse().ok());
            let (Some(level), Some(bytes)) = (level, file("size").and_then(|size| bytes_of(&size))) else { continue };
            if kind != "Instruction" {
                instances.insert((level, file("shared_cpu_list").unwrap_or_default()), bytes);
            }
        }
    }
    let mut caches: Vec<Cache> = Vec::new();
    for ((level, shared), bytes) in instances {
        match caches.iter_mut().find(|c| c.level == level && c.bytes == bytes) {
            Some(cache) => cache.instances += 1,
            None => caches.push(Cache { level, bytes, instances: 1, shared_by: listed(&shared).max(1) }),
        }
    }
    caches
}

/// Bytes of a sysfs size such as `32768K`.
fn bytes_of(size: &str) -> Option<u64> {
    let (digits, shift) = match size.strip_suffix(['K', 'M']) {
        Some(digits) if size.ends_with('K') => (digits, 10),
        Some(digits) => (digits, 20),
        None => (size, 0),
    };
    digits.parse::<u64>().ok().filter(|&n| n > 0).map(|n| n << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(bytes_of("32768K"), Some(32 << 20));
        assert_eq!(bytes_of("1M"), Some(1 << 20));
        assert_eq!(bytes_of("512"), Some(512));
        assert_eq!(bytes_of("K"), None);
    }
}
