//! `roofprobe devices`.

use super::gpu;
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::report::{Cell, Column, Format, Report, Table, column};
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
        let cpu = Row {
            id: "cpu".to_owned(),
            kind: "CPU".to_owned(),
            name: device.name.clone(),
            cores: device.cores.map(u64::from),
            threads: Some(environment.threads.into()),
            software: device.isas.join(" "),
            memory_bytes: device.memory_bytes,
        };
        let (adapters, notes) = gpu::list();
        let mut devices = vec![serde_json::json!({ "id": "cpu", "device": json[0], "environment": json[1] })];
        let gpus = adapters.iter().map(|adapter| serde_json::json!({ "id": id(adapter), "adapter": adapter }));
        devices.extend(gpus);
        let hardware = adapters.iter().find(|adapter| adapter["class"] != "software");
        let example = hardware.map_or("cpu".to_owned(), id);
        let rows: Vec<Row> = std::iter::once(cpu).chain(adapters.iter().map(row)).collect();
        let columns = columns();
        let view = ["device", "kind", "name", "cores", "threads", "memory MiB"];
        let table = Table::view("Devices that can be measured here", &columns, &view, &rows)
            .with_notes(rows.iter().map(|row| format!("{}: {}", row.id, row.software)))
            .with_notes([format!("measure one with: roofprobe measure --device {example}")])
            .with_notes(&notes);
        let flat = Some(Table::flat(&columns, &rows));
        let json = serde_json::json!({ "devices": devices, "notes": notes });
        super::print_report(&Report { tables: vec![table], flat, json }, format)
    }
}

/// How an adapter is named on the command line.
fn id(adapter: &Value) -> String {
    format!("gpu:{}", adapter["index"])
}

/// A device that can be measured.
struct Row {
    id: String,
    kind: String,
    name: String,
    cores: Option<u64>,
    threads: Option<u64>,
    /// Instruction sets, or the driver.
    software: String,
    memory_bytes: Option<u64>,
}

fn columns() -> [Column<Row>; 7] {
    let count = |number: Option<u64>| number.map_or(Cell::Empty, |n| Cell::count(n.into()));
    [
        column("device", "device", |r: &Row| Cell::text(&r.id)),
        column("kind", "kind", |r: &Row| Cell::text(&r.kind)),
        column("name", "name", |r: &Row| Cell::text(&r.name)),
        column("cores", "cores", move |r: &Row| count(r.cores)),
        column("threads", "threads", move |r: &Row| count(r.threads)),
        column("instruction sets or driver", "", |r: &Row| Cell::text(&r.software)),
        column("memory MiB", "memory MiB", move |r: &Row| count(r.memory_bytes.map(|bytes| bytes >> 20))),
    ]
}

fn row(adapter: &Value) -> Row {
    let text = |key: &str| adapter[key].as_str().unwrap_or_default().to_owned();
    let kind = match text("class").as_str() {
        "software" => "software, no GPU".to_owned(),
        class => format!("{class} GPU"),
    };
    let driver = ["backend", "driver", "driver_info"].map(text).into_iter().filter(|word| !word.is_empty());
    Row {
        id: id(adapter),
        kind,
        name: text("name"),
        cores: None,
        threads: None,
        software: driver.collect::<Vec<_>>().join(", "),
        memory_bytes: adapter["memory_bytes"].as_u64(),
    }
}
