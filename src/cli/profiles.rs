//! `roofprobe profiles`.

use crate::error::Result;
use crate::profile::Profile;
use crate::report::{Cell, Format, Report, Table};
use crate::store;
use clap::Args;

/// List the shipped hardware profiles, and those kept from measurements on this machine.
#[derive(Debug, Args)]
pub(super) struct Profiles {}

impl Profiles {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let mut rows = Vec::new();
        let mut json = Vec::new();
        for shipped in store::SHIPPED {
            add(shipped.name, "shipped", &shipped.profile()?, &mut rows, &mut json);
        }
        for (path, profile) in store::kept() {
            add(&path.display().to_string(), "kept", &profile, &mut rows, &mut json);
        }
        let columns =
            ["profile", "from", "device", "memory read GB/s", "f32 GFLOP/s", "i8 GFLOP/s", "measured", "complete"];
        let table = Table {
            title: "Hardware profiles".to_owned(),
            columns: columns.map(String::from).to_vec(),
            rows,
            notes: vec![format!("measurements are kept in {}", store::folder().display())],
        };
        super::print_report(
            &Report { tables: vec![table], flat: None, json: serde_json::json!({ "profiles": json }) },
            format,
        )
    }
}

fn add(name: &str, from: &str, profile: &Profile, rows: &mut Vec<Vec<Cell>>, json: &mut Vec<serde_json::Value>) {
    let (summary, provenance) = (&profile.summary, &profile.provenance);
    rows.push(vec![
        Cell::text(name),
        Cell::text(from),
        Cell::text(profile.device.name.clone()),
        Cell::maybe(summary.dram_read_gb_per_s.or(summary.vram_read_gb_per_s)),
        Cell::maybe(summary.f32_gflop_per_s),
        Cell::maybe(summary.i8_gflop_per_s),
        Cell::text(if profile.is_quoted() { format!("quoted, {}", provenance.date) } else { provenance.date.clone() }),
        Cell::text(if provenance.complete { "yes" } else { "no" }),
    ]);
    json.push(serde_json::json!({
        "name": name,
        "from": from,
        "device": profile.device.name,
        "summary": summary,
        "date": provenance.date,
        "effort": provenance.effort,
        "quoted": profile.is_quoted(),
        "complete": provenance.complete,
    }));
}
