//! Where profiles are: shipped with the program, or kept by `roofprobe measure` for this user.

mod engines;
mod races;

use crate::error::{Error, Result};
use crate::file;
use crate::profile::{self, CeilingId, EarlierRead, Grade, Machine, MemoryLevel, Profile, Status};
use roofprobe_kernels::Op;
use std::path::{Path, PathBuf};

pub use engines::{engine_of, find_engine, keep_engine};
pub use races::Races;

/// A profile that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its TOML.
    pub toml: &'static str,
}

/// The profiles of these names, each with the text of its file.
macro_rules! shipped {
    ($($name:literal,)*) => {
        &[$(Shipped { name: $name, toml: include_str!(concat!("../profiles/", $name, ".toml")) }),*]
    };
}

/// Every shipped profile, in the order of the listing.
pub const SHIPPED: &[Shipped] = shipped![
    "amd-epyc-zen3-2c",
    "amd-epyc-zen4-2c",
    "amd-epyc-zen5-2c",
    "nvidia-rtx-3090-datasheet",
    "nvidia-rtx-3090-rooflinebench",
    "nvidia-rtx-3070-ti-laptop-datasheet",
    "nvidia-rtx-3070-ti-laptop-rooflinebench",
    "apple-m1-pro-datasheet",
    "apple-m1-pro-rooflinebench",
    "nvidia-jetson-orin-nano-super-datasheet",
    "nvidia-jetson-orin-nano-super-rooflinebench",
    "raspberry-pi-5-datasheet",
    "raspberry-pi-5-rooflinebench",
    "raspberry-pi-5-stream",
    "rk3588-openblas",
    "nvidia-jetson-agx-orin-apxinf",
    "nvidia-drive-agx-thor-apxinf",
    "nvidia-jetson-orin-nano-torch",
    "nvidia-jetson-orin-nano-sbc-bench",
    "snapdragon-x-elite-sbc-bench",
    "intel-n100-sbc-bench",
    "apple-m1-pro-clpeak",
    "apple-m1-pro-cpu-clpeak",
    "apple-m4-paper",
    "apple-m4-sme-paper",
];

impl Shipped {
    /// The profile itself.
    ///
    /// # Errors
    /// Failure when the shipped text is not a valid profile; a test holds that it is.
    pub fn profile(self) -> Result<Profile> {
        profile::parse(self.toml).map_err(|e| e.within(self.name))
    }
}

/// A profile with the name it was asked for by.
#[derive(Clone, Debug)]
pub struct Named {
    /// A shipped name or a path.
    pub name: String,
    /// The profile.
    pub profile: Profile,
}

/// Finds a profile by its path, or by the name of a shipped or kept one; the beginning of a name is enough where no other
/// name has it.
///
/// # Errors
/// Misuse when it is none of these, or the file is not a valid profile.
pub fn find(name: &str) -> Result<Named> {
    let path = Path::new(name);
    let shipped = |name: &str| SHIPPED.iter().find(|shipped| shipped.name == name);
    let is_name = path.components().count() == 1 && (path.extension().is_none() || folder().join(path).is_file());
    if shipped(name).is_none() && (path.exists() || !is_name) {
        return Ok(Named { name: name.to_owned(), profile: profile::load(path)? });
    }
    let bare = name.strip_suffix(".toml").unwrap_or(name);
    let kept = paths().iter().map(|path| bare_name(path)).collect::<Vec<_>>();
    let names = || SHIPPED.iter().map(|shipped| shipped.name).chain(kept.iter().map(String::as_str));
    let begun: Vec<&str> = names().filter(|known| known.starts_with(bare)).collect();
    match (names().find(|known| *known == bare), begun.as_slice()) {
        (Some(found), _) | (None, &[found]) => {
            let file = || profile::load(&folder().join(format!("{found}.toml")));
            Ok(Named { name: found.to_owned(), profile: shipped(found).map_or_else(file, |one| one.profile())? })
        }
        (None, begun) => {
            let why = match begun {
                [] => format!(
                    "is neither a file nor a profile by name (there are: {})",
                    names().collect::<Vec<_>>().join(", ")
                ),
                several => format!("is no file, and several names begin so; did you mean: {}", several.join(", ")),
            };
            Err(Error::misuse(format!("\"{name}\" {why}; `roofprobe profiles` lists them")))
        }
    }
}

/// The text of the profile of that name, byte by byte: what [`find`] reads.
///
/// # Errors
/// As [`find`], and when the file is not UTF-8.
pub fn toml(name: &str) -> Result<String> {
    let found = find(name)?.name;
    if let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.name == found) {
        return Ok(shipped.toml.to_owned());
    }
    let path = Path::new(&found);
    let path = if path.is_file() { path.to_owned() } else { folder().join(format!("{found}.toml")) };
    let cannot = |e: std::io::Error| Error::misuse(format!("{}: cannot be read: {e}", path.display()));
    std::fs::read_to_string(&path).map_err(cannot)
}

/// The shipped profile of what others saw on a device of the same kind and name as that of `measured`: of several the one that
/// has most of its ceilings.
pub fn quoted_like(measured: &Profile) -> Option<Named> {
    let shared = |quoted: &Profile| {
        let known = |id: &CeilingId| measured.ceiling(id).is_some_and(|ceiling| ceiling.status.has_value());
        quoted.ceiling.iter().filter(|ceiling| known(&ceiling.id)).count()
    };
    let device = &measured.device;
    let named = |shipped: &Shipped| Some(Named { name: shipped.name.to_owned(), profile: shipped.profile().ok()? });
    let quoted = SHIPPED.iter().filter_map(named).filter(|Named { profile, .. }| {
        let same = profile.device.kind == device.kind && device.is_called(&profile.device.name);
        same && profile.is_quoted() && shared(profile) > 0
    });
    // Of equals the last one: what others measured stands behind what a data sheet promises.
    quoted.max_by_key(|named| shared(&named.profile))
}

/// The name of a kept profile: that of its file.
pub fn bare_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folder in which `measure` keeps profiles when no place is named: `ROOFPROBE_DIR`, else `roofprobe` in the user's
/// data folder, else the current folder.
pub fn folder() -> PathBuf {
    let named = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("ROOFPROBE_DIR")
        .or_else(|| named("XDG_DATA_HOME").map(|data| data.join("roofprobe")))
        .or_else(|| named("LOCALAPPDATA").map(|data| data.join("roofprobe")))
        .or_else(|| named("HOME").map(|home| home.join(".local/share/roofprobe")))
        .unwrap_or_else(|| PathBuf::from("."))
}

/// Every profile in the store that can be read, with its path, in the order of the file names.
pub fn kept() -> Vec<(PathBuf, Profile)> {
    readable(paths().into_iter()).collect()
}

/// Those of `paths` that can be read, with their profiles.
fn readable(paths: impl Iterator<Item = PathBuf>) -> impl Iterator<Item = (PathBuf, Profile)> {
    paths.filter_map(|path| profile::load(&path).ok().map(|profile| (path, profile)))
}

/// The files in the store.
fn paths() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder()) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml") && path.is_file())
        .collect();
    paths.sort();
    paths
}

/// A profile is fresh for so many days: later the machine may be another in all but name.
const FRESH_DAYS: i64 = 30;

/// A profile in the store, with how far to trust it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its file.
    pub path: PathBuf,
    /// The profile.
    pub profile: Profile,
    /// Whole days since it was measured; none where its date is no RFC 3339.
    pub age_days: Option<i64>,
}

impl Kept {
    /// The grade of its circumstances.
    pub fn grade(&self) -> Option<Grade> {
        self.profile.environment.as_ref().and_then(|environment| environment.grade)
    }

    /// The day on which it was measured.
    pub fn day(&self) -> &str {
        let date = &self.profile.provenance.date;
        date.split_once('T').map_or(date.as_str(), |(day, _)| day)
    }

    /// Measured by this version of the tool, and not long ago.
    fn is_fresh(&self) -> bool {
        let recent = self.age_days.is_some_and(|days| (0..=FRESH_DAYS).contains(&days));
        recent && self.profile.provenance.version == env!("CARGO_PKG_VERSION")
    }
}

/// The measured profiles at `paths` that are of the device named and for which `of_use` holds, oldest first.
fn measured(paths: impl Iterator<Item = PathBuf>, device_name: &str, of_use: impl Fn(&Profile) -> bool) -> Vec<Kept> {
    let now = jiff::Timestamp::now();
    let age_days = |profile: &Profile| {
        let date: jiff::Timestamp = profile.provenance.date.parse().ok()?;
        Some(now.duration_since(date).as_hours().div_euclid(24))
    };
    let of_device = |p: &Profile| p.device.name == device_name && p.provenance.simulated.is_none();
    let of_use = readable(paths).filter(|(_, profile)| of_device(profile) && of_use(profile));
    let mut found: Vec<Kept> =
        of_use.map(|(path, profile)| Kept { age_days: age_days(&profile), path, profile }).collect();
    // RFC 3339 dates in UTC sort as text; equals stay in the order of their names.
    found.sort_by(|a, b| a.profile.provenance.date.cmp(&b.profile.provenance.date));
    found
}

/// The newest incomplete profile in the store of the device named, beside a complete one or by itself.
pub fn incomplete(device_name: &str) -> Option<Kept> {
    let beside = || paths().into_iter().map(|path| file::partial(&path)).filter(|partial| partial.is_file());
    let all = paths().into_iter().chain(beside());
    measured(all, device_name, |profile| !profile.provenance.complete).pop()
}

/// The complete profiles of the device named that hold all ceilings, oldest first.
pub fn complete(device_name: &str) -> Vec<Kept> {
    measured(paths().into_iter(), device_name, |profile| {
        profile.provenance.complete && profile.provenance.only.is_empty()
    })
}

/// The highest read of DRAM among the complete profiles of that machine, measured with so many threads.
pub fn highest_read(machine: &Machine) -> Option<EarlierRead> {
    let alike = |profile: &Profile| {
        let threads = profile.environment.as_ref().map(|environment| environment.threads);
        profile.device.model == machine.device.model && threads == Some(machine.environment.threads)
    };
    let of_use = |profile: &Profile| profile.provenance.complete && alike(profile);
    let read = |kept: Kept| {
        let id = CeilingId::memory(MemoryLevel::Dram, Op::Read);
        let ceiling = kept.profile.ceiling.iter().find(|c| c.id == id && c.status == Status::Measured)?;
        Some(EarlierRead { gb_per_s: ceiling.gb_per_s?, date: kept.profile.provenance.date.clone() })
    };
    let all = measured(paths().into_iter(), &machine.device.name, of_use);
    all.into_iter().filter_map(read).max_by(|a, b| a.gb_per_s.total_cmp(&b.gb_per_s))
}

/// The profile to reckon with: of those that this version of the tool measured within 30 days the best graded one, of equals
/// the newest; where there is none so fresh, the newest of all.
pub fn best(profiles: Vec<Kept>) -> Option<Kept> {
    // A grade compares by its steps below the best; no grade is below all of them.
    let rank =
        |kept: &Kept| kept.is_fresh().then(|| std::cmp::Reverse(kept.grade().map_or(u8::MAX, |grade| grade as u8)));
    // Of equals the last one, which is the newest.
    profiles.into_iter().max_by_key(rank)
}

/// Makes a new, empty file for a profile in the store: nobody else gets the same one.
///
/// # Errors
/// Failure when the folder cannot be made or written.
pub fn reserve(device_name: &str, date: &str) -> Result<PathBuf> {
    reserve_in(&folder(), device_name, date)
}

fn reserve_in(folder: &Path, device_name: &str, date: &str) -> Result<PathBuf> {
    let fail = |e: std::io::Error| {
        let place = folder.display();
        Error::failure(format!(
            "{place}: cannot be written: {e}; name another folder in ROOFPROBE_DIR, or a file with measure -o"
        ))
    };
    std::fs::create_dir_all(folder).map_err(fail)?;
    for count in 1..1000 {
        let name = if count == 1 { date.to_owned() } else { format!("{date}-{count}") };
        let path = folder.join(file_name(device_name, &name));
        match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => return Ok(path),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(fail(e)),
        }
    }
    Err(fail(std::io::ErrorKind::AlreadyExists.into()))
}

/// A name for a new profile of that device: `amd-epyc-zen-3-2-cores-2026-01-31t120000z.toml`.
pub fn file_name(device_name: &str, date: &str) -> String {
    format!("{}.toml", slug(&format!("{device_name}-{date}")))
}

/// The letters and digits of some words, with a hyphen between them.
fn slug(words: &str) -> String {
    let mut slug = String::new();
    for character in words.chars().filter(|&c| c != ':').flat_map(char::to_lowercase) {
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(grade: Option<Grade>, age_days: Option<i64>, version: &str) -> Kept {
        let mut profile = SHIPPED[0].profile().unwrap();
        profile.provenance.version = version.to_owned();
        profile.environment.as_mut().unwrap().grade = grade;
        Kept { path: PathBuf::new(), profile, age_days }
    }

    #[test]
    fn the_best_graded_fresh_profile_is_chosen_and_else_the_newest() {
        const THIS: &str = env!("CARGO_PKG_VERSION");
        // Oldest first, as the store lists them.
        let old = || kept(Some(Grade::A), Some(31), THIS);
        let foreign = || kept(Some(Grade::A), Some(9), "0.0.0");
        let good = |days| kept(Some(Grade::B), Some(days), THIS);
        let bad = || kept(Some(Grade::D), Some(1), THIS);
        let chosen = |all: Vec<Kept>| best(all).map(|kept| (kept.grade(), kept.age_days));
        assert_eq!(chosen(vec![old(), foreign(), good(8), good(7), bad()]), Some((Some(Grade::B), Some(7))));
        assert_eq!(chosen(vec![kept(None, Some(3), THIS), bad()]), Some((Some(Grade::D), Some(1))));
        assert_eq!(chosen(vec![good(40), old(), foreign()]), Some((Some(Grade::A), Some(9))));
        assert_eq!(chosen(vec![old(), kept(None, None, THIS)]), Some((None, None)));
        assert_eq!(chosen(Vec::new()), None);
    }

    #[test]
    fn file_names_are_plain() {
        assert_eq!(
            file_name("AMD EPYC (Zen 3), 2 cores", "2026-01-31T12:00:00Z"),
            "amd-epyc-zen-3-2-cores-2026-01-31t120000z.toml"
        );
    }

    #[test]
    fn profiles_of_one_moment_get_files_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<PathBuf> =
            (0..3).map(|_| reserve_in(folder.path(), "a device", "2026-01-31T12:00:00Z").unwrap()).collect();
        assert!(names.iter().all(|path| path.is_file()));
        assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2], "{names:?}");
    }

    #[test]
    fn unknown_names_list_what_there_is() {
        let error = find("no-such-machine").unwrap_err().to_string();
        assert!(error.contains("no-such-machine") && error.contains("roofprobe profiles"), "{error}");
    }

    #[test]
    fn the_beginning_of_a_name_is_enough_where_it_is_the_only_one() {
        assert_eq!(find("amd-epyc-zen4").unwrap().name, "amd-epyc-zen4-2c");
        let error = find("raspberry-pi-5").unwrap_err().to_string();
        assert!(
            error.contains(
                "did you mean: raspberry-pi-5-datasheet, raspberry-pi-5-rooflinebench, raspberry-pi-5-stream"
            ),
            "{error}"
        );
    }
}
