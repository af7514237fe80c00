//! `roofprobe profiles`.

use crate::error::Result;
use crate::profile::Profile;
use crate::report::schemas::{ListedProfile, ListedProfiles};
use crate::report::{self, Cell, Column, Format, Report, Table, column};
use crate::store;
use clap::Args;

/// List the shipped hardware profiles, and those kept from measurements on this machine.
#[derive(Debug, Args)]
pub(super) struct Profiles {}

/// A profile, the name to ask for it by, and where it is from.
type Row = (String, &'static str, Profile);

impl Profiles {
    pub(super) fn run(&self, format: Format) -> Result<()> {
        let shipped = store::SHIPPED.iter().map(|one| Ok((one.name.to_owned(), "shipped", one.profile()?)));
        let kept = store::kept().into_iter().map(|(path, profile)| Ok((path.display().to_string(), "kept", profile)));
        let rows: Vec<Row> = shipped.chain(kept).collect::<Result<_>>()?;
        let columns: [Column<Row>; 8] = [
            column("profile", "profile", |(name, from, _): &Row| match *from {
                "kept" => Cell::phrase(name, store::bare_name(name.as_ref())),
                _ => Cell::text(name),
            }),
            column("from", "from", |(_, from, _): &Row| Cell::text(*from)),
            column("device", "device", |(.., p): &Row| Cell::text(&p.device.name)),
            column("memory read GB/s", "read GB/s", |(.., p): &Row| {
                Cell::maybe(p.summary.dram_read_gb_per_s.or(p.summary.vram_read_gb_per_s))
            }),
            column("f32 GFLOP/s", "f32 GFLOP/s", |(.., p): &Row| Cell::maybe(p.summary.f32_gflop_per_s)),
            column("i8 GFLOP/s", "i8 GFLOP/s", |(.., p): &Row| Cell::maybe(p.summary.i8_gflop_per_s)),
            column("measured", "measured", |(.., p): &Row| Cell::text(date(p))),
            column("complete", "complete", |(.., p): &Row| {
                Cell::text(if p.provenance.complete { "yes" } else { "no" })
            }),
        ];
        let flat = Table::flat(&columns, &rows);
        let mut shown = columns.into_iter().collect::<Vec<_>>();
        shown.push(column("grade", "grade", |(.., p): &Row| grade(p)));
        shown.push(column("day", "date", |(.., p): &Row| Cell::words(p.provenance.date.split('T').next())));
        let view = ["profile", "grade", "day", "memory read GB/s?", "f32 GFLOP/s?", "i8 GFLOP/s?", "device?"];
        let table = Table::view("Hardware profiles", &shown, &view, &rows)
            .with_notes(["The beginning of a name is enough where no other name has it.".to_owned()])
            .with_notes([format!("Measurements are kept in {}.", store::folder().display())]);
        let json = report::json("the profiles", &ListedProfiles { profiles: rows.iter().map(record).collect() })?;
        super::print_report(&Report { tables: vec![table], flat: Some(flat), json }, format)
    }
}

fn grade(profile: &Profile) -> Cell {
    match profile.environment.as_ref().and_then(|environment| environment.grade) {
        _ if profile.is_quoted() => Cell::text("quoted"),
        _ if !profile.provenance.complete => Cell::text("incomplete"),
        Some(grade) => Cell::text(grade.to_string()),
        None => Cell::text("none"),
    }
}

fn date(profile: &Profile) -> String {
    let date = &profile.provenance.date;
    if profile.is_quoted() { format!("quoted, {date}") } else { date.clone() }
}

fn record((name, from, profile): &Row) -> ListedProfile {
    ListedProfile {
        name: name.clone(),
        from,
        device: profile.device.name.clone(),
        summary: profile.summary.clone(),
        date: profile.provenance.date.clone(),
        effort: profile.provenance.effort,
        quoted: profile.is_quoted(),
        complete: profile.provenance.complete,
    }
}
