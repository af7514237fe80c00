//! Cores of several kinds, and nodes of memory: what a processor has more than one of.

use super::CpuList;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use std::collections::BTreeSet;

/// Cores of one kind, where a processor has several.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoreClass {
    /// The design, where it is known; else what tells the cores apart.
    pub name: String,
    /// Cores of this class that the process may run on.
    #[schemars(range(min = 1))]
    pub cores: u32,
    /// The logical CPU of each of them that a thread is pinned to; absent where the system does not say which is which.
    pub cpus: Option<CpuList>,
    /// What the system expects of one core, the fastest of the machine being 1024.
    #[schemars(range(min = 1))]
    pub capacity: Option<u32>,
    /// What tells the cores apart.
    pub told_by: String,
}

/// A NUMA node: CPUs, and the memory that is near them.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumaNode {
    /// The system's number of it.
    pub node: u32,
    /// The CPUs of it that threads are pinned to.
    pub cpus: CpuList,
    /// Memory of the node, bytes.
    pub memory_bytes: Option<u64>,
}

/// Checks classes: named, several, each with as many CPUs as cores, none of them in two.
pub(super) fn validate_classes(classes: &[CoreClass]) -> Result<()> {
    let lists = classes.iter().filter_map(|class| class.cpus.as_ref());
    if classes.len() == 1 || classes.iter().any(|class| class.name.is_empty() || class.cores == 0) {
        return Err(Error::misuse("device.core_classes: there are several or none, each with a name and a core"));
    }
    if classes.iter().any(|class| class.cpus.as_ref().is_some_and(|cpus| cpus.cpus().len() != class.cores as usize)) {
        return Err(Error::misuse("device.core_classes: name one CPU for each core"));
    }
    apart("device.core_classes", lists)
}

/// Checks nodes: several, none twice, no CPU in two.
pub(super) fn validate_nodes(nodes: &[NumaNode]) -> Result<()> {
    let numbers: BTreeSet<u32> = nodes.iter().map(|node| node.node).collect();
    if nodes.len() == 1 || numbers.len() != nodes.len() {
        return Err(Error::misuse("environment.nodes: there are several or none, each with a number of its own"));
    }
    apart("environment.nodes", nodes.iter().map(|node| &node.cpus))
}

fn apart<'a>(key: &str, lists: impl Iterator<Item = &'a CpuList>) -> Result<()> {
    let mut seen = BTreeSet::new();
    let mut all = lists.flat_map(CpuList::cpus);
    match all.find(|cpu| !seen.insert(**cpu)) {
        Some(cpu) => Err(Error::misuse(format!("{key}: CPU {cpu} is named twice"))),
        None => Ok(()),
    }
}
