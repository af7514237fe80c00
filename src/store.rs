//! Where profiles are: shipped with the program, or kept by `roofprobe measure` for this user.

use crate::error::{Error, Result};
use crate::profile::{self, Profile};
use std::path::{Path, PathBuf};

/// A profile that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its TOML.
    pub toml: &'static str,
}

/// Every shipped profile, in the order of the listing.
pub const SHIPPED: &[Shipped] = &[
    Shipped { name: "amd-epyc-zen3-2c", toml: include_str!("../profiles/amd-epyc-zen3-2c.toml") },
    Shipped { name: "amd-epyc-zen4-2c", toml: include_str!("../profiles/amd-epyc-zen4-2c.toml") },
    Shipped { name: "nvidia-rtx-3090-datasheet", toml: include_str!("../profiles/nvidia-rtx-3090-datasheet.toml") },
    Shipped {
        name: "nvidia-rtx-3090-rooflinebench",
        toml: include_str!("../profiles/nvidia-rtx-3090-rooflinebench.toml"),
    },
    Shipped {
        name: "nvidia-rtx-3070-ti-laptop-datasheet",
        toml: include_str!("../profiles/nvidia-rtx-3070-ti-laptop-datasheet.toml"),
    },
    Shipped {
        name: "nvidia-rtx-3070-ti-laptop-rooflinebench",
        toml: include_str!("../profiles/nvidia-rtx-3070-ti-laptop-rooflinebench.toml"),
    },
    Shipped { name: "apple-m1-pro-datasheet", toml: include_str!("../profiles/apple-m1-pro-datasheet.toml") },
    Shipped { name: "apple-m1-pro-rooflinebench", toml: include_str!("../profiles/apple-m1-pro-rooflinebench.toml") },
    Shipped {
        name: "nvidia-jetson-orin-nano-super-datasheet",
        toml: include_str!("../profiles/nvidia-jetson-orin-nano-super-datasheet.toml"),
    },
    Shipped {
        name: "nvidia-jetson-orin-nano-super-rooflinebench",
        toml: include_str!("../profiles/nvidia-jetson-orin-nano-super-rooflinebench.toml"),
    },
    Shipped { name: "raspberry-pi-5-datasheet", toml: include_str!("../profiles/raspberry-pi-5-datasheet.toml") },
    Shipped {
        name: "raspberry-pi-5-rooflinebench",
        toml: include_str!("../profiles/raspberry-pi-5-rooflinebench.toml"),
    },
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

/// Finds a profile by shipped name or by path.
///
/// # Errors
/// Misuse when it is neither, or the file is not a valid profile.
pub fn find(name: &str) -> Result<Named> {
    if let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.name == name) {
        return Ok(Named { name: name.to_owned(), profile: shipped.profile()? });
    }
    let path = Path::new(name);
    if !path.exists() && path.components().count() == 1 && path.extension().is_none() {
        let known = SHIPPED.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
        return Err(Error::misuse(format!(
            "\"{name}\" is neither a file nor a shipped profile (shipped: {known}); `roofprobe profiles` lists them"
        )));
    }
    Ok(Named { name: name.to_owned(), profile: profile::load(path)? })
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
    let Ok(entries) = std::fs::read_dir(folder()) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml") && path.is_file())
        .collect();
    paths.sort();
    paths.into_iter().filter_map(|path| Some((path.clone(), profile::load(&path).ok()?))).collect()
}

/// The newest measured profile in the store that is of the device named and passes `wanted`.
pub fn newest(device_name: &str, wanted: impl Fn(&Profile) -> bool) -> Option<(PathBuf, Profile)> {
    let measured_here = |p: &Profile| p.device.name == device_name && p.provenance.simulated.is_none();
    kept()
        .into_iter()
        .filter(|(_, profile)| measured_here(profile) && wanted(profile))
        // RFC 3339 dates in UTC sort as text; of equals the last by name.
        .max_by(|a, b| a.1.provenance.date.cmp(&b.1.provenance.date))
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
    let mut slug = String::new();
    for character in format!("{device_name}-{date}").chars().filter(|&c| c != ':').flat_map(char::to_lowercase) {
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    format!("{}.toml", slug.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
