//! Whether two profiles are of one kind of device: by the words of its names.

use super::DeviceInfo;

impl DeviceInfo {
    /// Whether this device, or the board or chip that it is part of, is called `name`: all words of it stand in one of its own
    /// names, one after the other.
    pub fn is_called(&self, name: &str) -> bool {
        let wanted = words(name);
        let own = [Some(&self.name), Some(&self.model), self.board.as_ref(), self.soc.as_ref()];
        let holds = |text: &String| words(text).windows(wanted.len().max(1)).any(|some| some == wanted);
        own.into_iter().flatten().any(holds)
    }
}

/// The letters and digits of a name, word by word; a decimal point stays within its word.
fn words(name: &str) -> Vec<String> {
    let parts = name.split(|c: char| !c.is_alphanumeric() && c != '.');
    parts.map(|part| part.trim_matches('.').to_lowercase()).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_device_is_called_by_its_board_its_chip_or_its_model() {
        let mut device = crate::profile::parse(include_str!("../../profiles/amd-epyc-zen3-2c.toml")).unwrap().device;
        device.model = "Cortex-A76".to_owned();
        device.board = Some("Raspberry Pi 5 Model B Rev 1.0".to_owned());
        device.soc = Some("brcm,bcm2712".to_owned());
        for name in ["Raspberry Pi 5", "raspberry pi 5 model b", "BCM2712", "Cortex-A76"] {
            assert!(device.is_called(name), "{name}");
        }
        // A part of a word is another name, and so are words in another order.
        for name in ["Raspberry Pi 50", "Rev 1", "Pi Raspberry", "RK3588", ""] {
            assert!(!device.is_called(name), "{name}");
        }
        device.board = Some("Raspberry Pi 500 Rev 1.0".to_owned());
        assert!(!device.is_called("Raspberry Pi 5"));
    }
}
