//! `roofprobe devices`.

use super::gpu;
use crate::device::cpu::Cpu;
use crate::error::Result;
use crate::report::schemas::{ListedDevice, ListedDevices};
use crate::report::{self, Cell, Column, Format, Report, Table, column};
use clap::Args;
use serde_json::Value;

/// List what could be measured here, and how each device is named on the command line.
#[derive(Debug, Args)]
pub(super) struct Devices {}

impl Devices {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let machine = Cpu::describe()?;
        let (device, environment) = (&machine.device, &machine.environment);
        let cpu = [
            Cell::text("cpu"),
            Cell::text("CPU"),
            Cell::text(&device.name),
            device.cores.map_or(Cell::Empty, |cores| Cell::plain(cores.into())),
            Cell::plain(environment.threads.into()),
            Cell::text(
                [Some(device.isas.join(" ")), device.vector_lengths()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join("; "),
            ),
            memory(device.memory_bytes),
        ];
        let (adapters, notes) = gpu::list();
        let listed = |id: String| ListedDevice { id, device: None, environment: None, adapter: None };
        let described = (Some(device.clone()), Some(environment.clone()));
        let mut devices =
            vec![ListedDevice { device: described.0, environment: described.1, ..listed("cpu".to_owned()) }];
        let of_gpu = |adapter: &Value| ListedDevice { adapter: adapter.as_object().cloned(), ..listed(id(adapter)) };
        devices.extend(adapters.iter().map(of_gpu));
        let hardware = adapters.iter().find(|adapter| adapter["class"] != "software");
        let example = hardware.map_or("cpu".to_owned(), id);
        let rows: Vec<Row> = std::iter::once(cpu).chain(adapters.iter().map(row)).collect();
        let columns: Vec<Column<Row>> = COLUMNS
            .into_iter()
            .enumerate()
            .map(|(at, name)| column(name, name, move |r: &Row| r[at].clone()))
            .collect();
        let view = ["device", "kind", "name", "cores", "threads", "memory MiB"];
        let table = Table::view("Devices that can be measured here", &columns, &view, &rows)
            .with_notes(rows.iter().map(|[id, .., software, _]| format!("{}: {}", id.shown(), software.shown())))
            .with_notes([format!("measure one with: roofprobe measure --device {example}")])
            .with_notes(&notes);
        let flat = Some(Table::flat(&columns, &rows));
        let json = report::json("the devices", &ListedDevices { devices, notes })?;
        super::print_report(&Report { tables: vec![table], flat, json }, format)
    }
}

/// How an adapter is named on the command line.
fn id(adapter: &Value) -> String {
    format!("gpu:{}", adapter["index"])
}

/// What is shown of a device.
const COLUMNS: [&str; 7] = ["device", "kind", "name", "cores", "threads", "instruction sets or driver", "memory MiB"];

/// The cells of a device.
type Row = [Cell; COLUMNS.len()];

fn memory(bytes: Option<u64>) -> Cell {
    bytes.map_or(Cell::Empty, |bytes| Cell::count(u128::from(bytes >> 20)))
}

fn row(adapter: &Value) -> Row {
    let text = |key: &str| adapter[key].as_str().unwrap_or_default();
    let kind = match text("class") {
        "software" => "software, no GPU".to_owned(),
        class => format!("{class} GPU"),
    };
    let driver: Vec<&str> =
        ["backend", "driver", "driver_info"].map(text).into_iter().filter(|word| !word.is_empty()).collect();
    let (name, driver) = (Cell::text(text("name")), Cell::text(driver.join(", ")));
    let memory = memory(adapter["memory_bytes"].as_u64());
    [Cell::text(id(adapter)), Cell::text(kind), name, Cell::Empty, Cell::Empty, driver, memory]
}
