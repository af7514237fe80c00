//! `roofprobe devices`.

use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::report::{Cell, Format, Report, Table};
use clap::Args;

/// List what could be measured here, and how each device is named on the command line.
#[derive(Debug, Args)]
pub(super) struct Devices {}

impl Devices {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let machine = Cpu::describe()?;
        let (device, environment) = (&machine.device, &machine.environment);
        let json = serde_json::to_value((device, environment))
            .map_err(|e| Error::failure(format!("the devices cannot be written as JSON: {e}")))?;
        let count = |known: Option<u64>| known.map_or(Cell::Empty, |n| Cell::count(u128::from(n)));
        let columns = ["device", "kind", "name", "cores", "threads", "instruction sets", "memory MiB"];
        let table = Table {
            title: "Devices that can be measured here".to_owned(),
            columns: columns.map(String::from).to_vec(),
            rows: vec![vec![
                Cell::text("cpu"),
                Cell::text("CPU"),
                Cell::text(device.name.clone()),
                count(device.cores.map(u64::from)),
                Cell::count(u128::from(environment.threads)),
                Cell::text(device.isas.join(" ")),
                count(device.memory_bytes.map(|bytes| bytes >> 20)),
            ]],
            notes: vec!["measure one with: roofprobe measure --device cpu".to_owned()],
        };
        let json = serde_json::json!({ "devices": [{ "id": "cpu", "device": json[0], "environment": json[1] }] });
        super::print_report(&Report { tables: vec![table], flat: None, json }, format)
    }
}
