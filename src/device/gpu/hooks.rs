//! Hooks for tests of what a driver may do: `ROOFPROBE_GPU_HOOKS`, a list such as `binding-mib=64,lose-at=7`.

use std::time::Duration;

/// The name of the environment variable.
pub(super) const VARIABLE: &str = "ROOFPROBE_GPU_HOOKS";

/// What is forced.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hooks {
    /// `binding-mib=N`: no binding is larger.
    pub(super) binding_bytes: Option<u64>,
    /// `memory-mib=N`: a larger buffer is out of memory.
    pub(super) memory_bytes: Option<u64>,
    /// `lose-at=N`: the device is lost at the N-th job of a process.
    pub(super) lose_at: Option<u64>,
    /// `die-at=N`: the process crashes at the N-th job; with 0 already when adapters are listed or opened.
    pub(super) die_at: Option<u64>,
    /// `die-of=BACKEND`: the process crashes when that backend's adapters are listed.
    pub(super) die_of: Option<String>,
    /// `hang-at=N`: the process hangs at the N-th job.
    pub(super) hang_at: Option<u64>,
    /// `answer-ms=N`: a process that does not answer a job within this time is ended.
    pub(super) answer_timeout: Option<Duration>,
    /// `as-hardware`: software is taken for hardware, and chosen when no GPU is named.
    pub(super) as_hardware: bool,
    /// `no-adapters`: none is found; `adapters-twice`: each is found twice.
    pub(super) no_adapters: bool,
    pub(super) adapters_twice: bool,
    /// `watchdog-ms=N`: submissions are given up after that time.
    pub(super) watchdog: Option<Duration>,
    /// `disturbed`: every pass is marked as disturbed.
    pub(super) disturbed: bool,
    /// `checked`: shaders keep their run-time checks.
    pub(super) checked: bool,
    /// `no-f16`, `no-subgroups`, `no-timestamps`: the adapter is taken to lack it.
    pub(super) no_f16: bool,
    pub(super) no_subgroups: bool,
    pub(super) no_timestamps: bool,
}

impl Hooks {
    /// Those of the environment.
    ///
    /// # Errors
    /// The word that is no hook.
    pub(super) fn of_environment() -> Result<Hooks, String> {
        Hooks::parse(&std::env::var(VARIABLE).unwrap_or_default())
    }

    fn parse(list: &str) -> Result<Hooks, String> {
        let mut hooks = Hooks::default();
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let number = || {
                let number = value.and_then(|value| value.parse::<u64>().ok());
                number.ok_or_else(|| format!("{VARIABLE}: {name} needs a number, as in {name}=1"))
            };
            match name {
                "binding-mib" => hooks.binding_bytes = Some(number()? << 20),
                "memory-mib" => hooks.memory_bytes = Some(number()? << 20),
                "lose-at" => hooks.lose_at = Some(number()?),
                "die-at" => hooks.die_at = Some(number()?),
                "die-of" => hooks.die_of = value.map(str::to_owned),
                "hang-at" => hooks.hang_at = Some(number()?),
                "answer-ms" => hooks.answer_timeout = Some(Duration::from_millis(number()?)),
                "as-hardware" => hooks.as_hardware = true,
                "no-adapters" => hooks.no_adapters = true,
                "adapters-twice" => hooks.adapters_twice = true,
                "watchdog-ms" => hooks.watchdog = Some(Duration::from_millis(number()?)),
                "disturbed" => hooks.disturbed = true,
                "checked" => hooks.checked = true,
                "no-f16" => hooks.no_f16 = true,
                "no-subgroups" => hooks.no_subgroups = true,
                "no-timestamps" => hooks.no_timestamps = true,
                _ => return Err(format!("{VARIABLE}: \"{name}\" is no hook")),
            }
        }
        Ok(hooks)
    }

    /// The features that are taken to be missing.
    pub(super) fn without_features(&self) -> wgpu::Features {
        use wgpu::Features;
        let none = Features::empty();
        let when = |missing: bool, feature: Features| if missing { feature } else { none };
        when(self.no_f16, Features::SHADER_F16 | Features::EXPERIMENTAL_COOPERATIVE_MATRIX)
            | when(self.no_subgroups, Features::SUBGROUP)
            | when(self.no_timestamps, Features::TIMESTAMP_QUERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_read_and_others_refused() {
        let hooks = Hooks::parse("binding-mib=64, lose-at=3,no-f16,die-of=gl").unwrap();
        assert_eq!((hooks.binding_bytes, hooks.lose_at, hooks.no_f16), (Some(64 << 20), Some(3), true));
        assert_eq!(hooks.die_of.as_deref(), Some("gl"));
        assert_eq!(Hooks::parse(""), Ok(Hooks::default()));
        assert!(Hooks::parse("lose-at=x").unwrap_err().contains("lose-at"));
        assert!(Hooks::parse("fly").unwrap_err().contains("fly"));
    }
}
