//! `--device`: which device is meant.

use std::fmt;
use std::str::FromStr;

/// What `--device` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Selection {
    /// `cpu`: the processor.
    #[default]
    Cpu,
    /// `gpu`: the hardware GPU, the best one if there are several; `gpu:WHAT`: the one named.
    Gpu(Option<String>),
    /// `all`: the processor, then every hardware GPU.
    All,
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(word: &str) -> Result<Selection, String> {
        match word.trim() {
            "cpu" => Ok(Selection::Cpu),
            "gpu" => Ok(Selection::Gpu(None)),
            "all" => Ok(Selection::All),
            other => match other.strip_prefix("gpu:").map(str::trim) {
                Some("") => Err("name a GPU after the colon, as in gpu:0".to_owned()),
                Some(what) => Ok(Selection::Gpu(Some(what.to_owned()))),
                None => Err("must be cpu, gpu, gpu:WHAT or all; `roofprobe devices` lists what there is".to_owned()),
            },
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selection::Cpu => f.write_str("cpu"),
            Selection::Gpu(None) => f.write_str("gpu"),
            Selection::Gpu(Some(what)) => write!(f, "gpu:{what}"),
            Selection::All => f.write_str("all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_words() {
        let gpu = |what: &str| Ok(Selection::Gpu(Some(what.to_owned())));
        for (word, meant) in [
            ("cpu", Ok(Selection::Cpu)),
            ("gpu", Ok(Selection::Gpu(None))),
            ("all", Ok(Selection::All)),
            ("gpu:0", gpu("0")),
            ("gpu:10de:2684", gpu("10de:2684")),
            ("gpu: RTX 4090", gpu("RTX 4090")),
        ] {
            assert_eq!(word.parse(), meant, "{word}");
            assert_eq!(meant.unwrap().to_string().replace(' ', ""), word.replace(' ', ""));
        }
        for (word, part) in [("gpu:", "gpu:0"), ("tpu", "cpu, gpu"), ("", "cpu, gpu")] {
            assert!(word.parse::<Selection>().unwrap_err().contains(part), "{word}");
        }
    }
}
