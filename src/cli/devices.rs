//! `roofprobe devices`.

use super::gpu;
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::report::{Cell, Format, Report, Table};
use clap::Args;
use serde_json::Value;

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
        let columns = ["device", "kind", "name", "cores", "threads", "instruction sets or driver", "memory MiB"];
        let cpu = vec![
            Cell::text("cpu"),
            Cell::text("CPU"),
            Cell::text(device.name.clone()),
            count(device.cores.map(u64::from)),
            Cell::count(u128::from(environment.threads)),
            Cell::text(device.isas.join(" ")),
            count(device.memory_bytes.map(|bytes| bytes >> 20)),
        ];
        let (adapters, notes) = gpu::list();
        let mut devices = vec![serde_json::json!({ "id": "cpu", "device": json[0], "environment": json[1] })];
        let gpus = adapters.iter().map(|adapter| serde_json::json!({ "id": id(adapter), "adapter": adapter }));
        devices.extend(gpus);
        let hardware = adapters.iter().find(|adapter| adapter["class"] != "software");
        let example = hardware.map_or("cpu".to_owned(), id);
        let table = Table {
            title: "Devices that can be measured here".to_owned(),
            columns: columns.map(String::from).to_vec(),
            rows: std::iter::once(cpu).chain(adapters.iter().map(row)).collect(),
            notes: std::iter::once(format!("measure one with: roofprobe measure --device {example}"))
                .chain(notes.iter().cloned())
                .collect(),
            ..Table::default()
        };
        let json = serde_json::json!({ "devices": devices, "notes": notes });
        super::print_report(&Report { tables: vec![table], flat: None, json }, format)
    }
}

/// How an adapter is named on the command line.
fn id(adapter: &Value) -> String {
    format!("gpu:{}", adapter["index"])
}

fn row(adapter: &Value) -> Vec<Cell> {
    let text = |key: &str| adapter[key].as_str().unwrap_or_default();
    let class = text("class");
    let kind = if class == "software" { "software, no GPU".to_owned() } else { format!("{class} GPU") };
    let driver = [text("backend"), text("driver"), text("driver_info")].map(str::to_owned);
    let driver: Vec<String> = driver.into_iter().filter(|word| !word.is_empty()).collect();
    let memory = adapter["memory_bytes"].as_u64().map_or(Cell::Empty, |bytes| Cell::count(u128::from(bytes >> 20)));
    let (name, driver) = (Cell::text(text("name")), Cell::text(driver.join(", ")));
    vec![Cell::text(id(adapter)), Cell::text(kind), name, Cell::Empty, Cell::Empty, driver, memory]
}
