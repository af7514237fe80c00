//! What the CPU is built into, as the firmware names it: a device tree on boards, SMBIOS on computers. Elsewhere nothing is told.

use super::word;
use std::path::Path;

/// The folder of the device tree below the root of a file system.
const DEVICE_TREE: &str = "sys/firmware/devicetree/base";

/// The name of the board or computer, read below `root`.
pub(super) fn board(root: &Path) -> Option<String> {
    let of_tree = word(&root.join(DEVICE_TREE).join("model")).map(|name| without_ends(&name));
    let of_smbios = || {
        let field = |name: &str| word(&root.join("sys/class/dmi/id").join(name));
        // What nobody filled in says so in many ways; the product alone is a name.
        let product = field("product_name")?;
        Some(match field("sys_vendor") {
            Some(vendor) if !product.starts_with(&vendor) => format!("{vendor} {product}"),
            _ => product,
        })
    };
    of_tree.filter(|name| !name.is_empty()).or_else(of_smbios)
}

/// The chip, read below `root`: what the device tree names last is what is most general.
pub(super) fn soc(root: &Path) -> Option<String> {
    let names = word(&root.join(DEVICE_TREE).join("compatible"))?;
    names.split('\0').map(str::trim).rfind(|name| !name.is_empty()).map(str::to_owned)
}

/// Texts of a device tree end with a zero.
fn without_ends(text: &str) -> String {
    text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system with these files.
    fn below(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_board_is_named_by_its_device_tree() {
        let root = below(&[
            ("sys/firmware/devicetree/base/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
            ("sys/firmware/devicetree/base/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0"),
            ("sys/class/dmi/id/product_name", "nobody asks"),
        ]);
        assert_eq!(board(root.path()).as_deref(), Some("Raspberry Pi 5 Model B Rev 1.0"));
        assert_eq!(soc(root.path()).as_deref(), Some("brcm,bcm2712"));
    }

    #[test]
    fn a_computer_is_named_by_smbios() {
        let root = below(&[("sys/class/dmi/id/product_name", "NUC 11\n"), ("sys/class/dmi/id/sys_vendor", "Intel\n")]);
        assert_eq!((board(root.path()).as_deref(), soc(root.path())), (Some("Intel NUC 11"), None));
        let root =
            below(&[("sys/class/dmi/id/product_name", "Radxa ROCK 5B\n"), ("sys/class/dmi/id/sys_vendor", "Radxa\n")]);
        assert_eq!(board(root.path()).as_deref(), Some("Radxa ROCK 5B"));
    }

    #[test]
    fn where_nothing_is_told_nothing_is_named() {
        let root = below(&[("sys/firmware/devicetree/base/model", "\0")]);
        assert_eq!((board(root.path()), soc(root.path())), (None, None));
    }
}
