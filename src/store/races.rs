//! Races that were held on this machine, kept so that the next measurement begins with their winners and only checks them.
//!
//! One file for each exact machine and build of the tool. It may be removed at any time: then every variant is raced again.

use super::{folder, slug};
use crate::error::{Error, Result};
use crate::file::{self, Durability};
use crate::profile::{Cache, Ceiling, GpuProvenance, Machine, Race};
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// What must be the same for a race to mean anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Holder {
    version: String,
    commit: String,
    device: String,
    model: String,
    threads: u32,
    isas: Vec<String>,
    caches: Vec<Cache>,
    gpu: Option<GpuProvenance>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    holder: Holder,
    #[serde(default)]
    race: Vec<Race>,
}

/// The races of one machine, and their file.
#[derive(Clone, Debug)]
pub struct Races {
    path: PathBuf,
    contents: Contents,
}

impl Races {
    /// Those of `machine`, a GPU asked through `gpu`: without any where none were kept. What cannot be read is said, and
    /// replaced by the next ones.
    pub fn of(machine: &Machine, gpu: Option<&GpuProvenance>) -> (Races, Option<String>) {
        let device = &machine.device;
        let holder = Holder {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("ROOFPROBE_COMMIT").to_owned(),
            device: device.name.clone(),
            model: device.model.clone(),
            threads: machine.environment.threads,
            isas: device.isas.clone(),
            caches: device.caches.clone(),
            gpu: gpu.cloned(),
        };
        Races::kept(holder)
    }

    fn kept(holder: Holder) -> (Races, Option<String>) {
        let mut hasher = DefaultHasher::new();
        format!("{holder:?}").hash(&mut hasher);
        let name = format!("{}-{:016x}.toml", slug(&holder.device), hasher.finish());
        let path = folder().join("races").join(name);
        let empty = Contents { holder, race: Vec::new() };
        let read = || {
            let text = file::read_text(&path)?;
            toml::from_str::<Contents>(&text)
                .map_err(|e| Error::misuse(format!("{}: {}", path.display(), e.message().replace('\n', " "))))
        };
        let (contents, remark) = match path.exists().then(read) {
            Some(Ok(contents)) if contents.holder == empty.holder => (contents, None),
            Some(Err(error)) => (empty, Some(format!("{error}; remembered races are left out, and held again"))),
            // Another machine of the same hash.
            Some(Ok(_)) | None => (empty, None),
        };
        (Races { path, contents }, remark)
    }

    /// The races.
    pub fn all(&self) -> &[Race] {
        &self.contents.race
    }

    /// Forgets them all.
    pub fn forget(&mut self) {
        self.contents.race.clear();
    }

    /// Takes over the races that stand behind `ceilings`, and saves them where any is new or came out another way.
    ///
    /// # Errors
    /// Failure when the file cannot be written.
    pub fn learn(&mut self, ceilings: &[Ceiling]) -> Result<()> {
        let before = self.contents.race.clone();
        for race in ceilings.iter().filter_map(Race::of) {
            match self.contents.race.iter_mut().find(|known| known.id == race.id) {
                Some(known) => *known = race,
                None => self.contents.race.push(race),
            }
        }
        if self.contents.race == before { Ok(()) } else { self.save() }
    }

    fn save(&self) -> Result<()> {
        let text = toml::to_string(&self.contents)
            .map_err(|e| Error::failure(format!("races cannot be written as TOML: {e}")))?;
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|e| Error::failure(format!("{}: cannot be made: {e}", folder.display())))?;
        }
        file::write_atomically(&self.path, &text, Durability::Buffered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Status, Trial, VariantKeys};

    fn raced(id: &str, streams: u32) -> Ceiling {
        let keys = |streams| VariantKeys { streams: Some(streams), ..VariantKeys::default() };
        let mut ceiling = Ceiling::with_value(id.parse().unwrap(), Status::Measured, 42.0);
        ceiling.variant = Some(keys(streams));
        ceiling.trials = [1, 2, 4].map(|streams| Trial { variant: keys(streams), value: 40.0 }).into();
        ceiling
    }

    #[test]
    fn races_are_written_read_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let profile = super::super::SHIPPED[1].profile().unwrap();
        let machine = Machine { device: profile.device, environment: profile.environment.unwrap() };
        let (mut races, _) = Races::of(&machine, None);
        races.forget();
        races.path = folder.path().join("races/here.toml");
        races.learn(&[]).unwrap();
        assert!(!races.path.exists(), "nothing was raced");
        races.learn(&[raced("memory.dram.read", 2), raced("memory.dram.copy", 1)]).unwrap();
        races.learn(&[raced("memory.dram.read", 4)]).unwrap();
        let text = std::fs::read_to_string(&races.path).unwrap();
        assert_eq!(toml::from_str::<Contents>(&text).unwrap(), races.contents);
        let winners: Vec<Option<u32>> = races.all().iter().map(|race| race.winner.streams).collect();
        assert_eq!(winners, [Some(4), Some(1)]);
    }
}
