//! `roofprobe models`.

use crate::error::Result;
use crate::model::{self, DateRange, SizeRange, ZooFilter};
use crate::report::{self, Format};
use clap::Args;

/// List the language models that are known by name.
#[derive(Debug, Args)]
pub(super) struct Models {
    /// Only models with these words in their name, family or card.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only models of these families.
    #[arg(long, value_name = "FAMILIES", value_delimiter = ',')]
    family: Vec<String>,
    /// Only models of this size: 7B, 1B..8B, ..3B.
    #[arg(long, value_name = "RANGE")]
    size: Option<SizeRange>,
    /// Only models with this word in their licence.
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,
    /// Only models released then: 2024, 2024-06.., ..2023.
    #[arg(long, value_name = "RANGE")]
    released: Option<DateRange>,
}

impl Models {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let filter = ZooFilter {
            words: self.search.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect(),
            families: self.family.clone(),
            size: self.size,
            licence: self.licence.clone(),
            released: self.released.clone(),
        };
        super::print_report(&report::models::report(&filter.of(model::zoo()?)?)?, format)
    }
}
