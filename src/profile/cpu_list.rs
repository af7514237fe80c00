//! A list of logical CPUs, in the spelling that `taskset -c` and the kernel's own lists have.

use crate::error::Error;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Logical CPUs in an order that means something: `4-7,0-3` begins with CPU 4. At least one, none of them twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CpuList(Vec<u32>);

/// Beyond any machine in sight.
const CPU_MAX: u32 = 1 << 20;

impl CpuList {
    /// The list of these; `None` where there are none, or one is named twice.
    pub fn of(cpus: impl IntoIterator<Item = u32>) -> Option<CpuList> {
        let cpus: Vec<u32> = cpus.into_iter().collect();
        let distinct: BTreeSet<u32> = cpus.iter().copied().collect();
        let all_known = distinct.last().is_some_and(|&last| last < CPU_MAX);
        (all_known && distinct.len() == cpus.len()).then_some(CpuList(cpus))
    }

    /// The CPUs, in the list's order.
    pub fn cpus(&self) -> &[u32] {
        &self.0
    }

    /// The first `count` of them.
    pub fn first(&self, count: usize) -> Option<CpuList> {
        CpuList::of(self.0.iter().take(count).copied())
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.chunk_by(|a, b| a.checked_add(1) == Some(*b));
        let run = |run: &[u32]| match run {
            [first, .., last] => format!("{first}-{last}"),
            other => other.iter().map(u32::to_string).collect(),
        };
        f.pad(&runs.map(run).collect::<Vec<_>>().join(","))
    }
}

impl FromStr for CpuList {
    type Err = Error;

    /// Numbers and ascending ranges between commas, in their only spelling.
    fn from_str(text: &str) -> Result<CpuList, Error> {
        let range = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
            (to < CPU_MAX).then_some(from..=to)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        let list = ranges.and_then(|ranges| CpuList::of(ranges.into_iter().flatten()));
        list.filter(|list| list.to_string() == text)
            .ok_or_else(|| Error::misuse(format!("\"{text}\" is not a list of CPUs such as 0-3,8")))
    }
}

impl TryFrom<String> for CpuList {
    type Error = Error;

    fn try_from(text: String) -> Result<CpuList, Error> {
        text.parse()
    }
}

impl From<CpuList> for String {
    fn from(list: CpuList) -> String {
        list.to_string()
    }
}

impl JsonSchema for CpuList {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "CpuList".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_one_spelling_and_keep_their_order() {
        let list = CpuList::of([4, 5, 6, 7, 0, 2, 3]).unwrap();
        assert_eq!(list.to_string(), "4-7,0,2-3");
        assert_eq!("4-7,0,2-3".parse::<CpuList>().unwrap(), list);
        assert_eq!(list.first(5).unwrap().to_string(), "4-7,0");
        for wrong in ["", "0,1", "3-1", "0-3,2", "1-", "a", "0-4294967295", "00", "1, 3", "2-2"] {
            assert!(wrong.parse::<CpuList>().is_err(), "{wrong}");
        }
        assert!(CpuList::of([1, 1]).is_none() && CpuList::of([]).is_none());
    }
}
