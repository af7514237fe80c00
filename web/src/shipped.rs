//! Profiles that the page brings along, to compare with.

/// The profiles of these names, each with the text of its file.
macro_rules! profiles {
    ($($name:literal,)*) => {
        [$(($name, include_str!(concat!("../../profiles/", $name, ".toml"))),)*]
    };
}

/// Name and TOML of each: a server, and what people have on desks and in pockets.
pub(crate) const PROFILES: [(&str, &str); 8] = profiles![
    "amd-epyc-zen5-2c",
    "nvidia-rtx-3090-datasheet",
    "nvidia-rtx-3070-ti-laptop-datasheet",
    "apple-m1-pro-clpeak",
    "apple-m4-paper",
    "intel-n100-sbc-bench",
    "snapdragon-x-elite-sbc-bench",
    "raspberry-pi-5-rooflinebench",
];
