//! Chooses one of the adapters.

use super::adapter::Adapter;
use crate::error::{Error, Result};

/// What to do where there is no GPU.
const REMEDY: &str = "install the driver of the GPU's maker (on Linux also the Vulkan loader, libvulkan1)";

/// The chosen adapter, and a remark about the choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The adapter.
    pub adapter: Adapter,
    /// Why it was chosen, where there were others.
    pub remark: Option<String>,
}

/// Every GPU that is hardware.
pub fn hardware(adapters: &[Adapter]) -> impl Iterator<Item = &Adapter> {
    adapters.iter().filter(|adapter| !adapter.is_software())
}

/// Why there is no hardware among `adapters`, and what helps.
pub fn no_hardware(adapters: &[Adapter]) -> String {
    if adapters.is_empty() {
        return format!("there is no GPU here that a driver supports: {REMEDY}");
    }
    format!(
        "there is no GPU here, only software that the processor runs ({}): {REMEDY}, or measure the software by name, \
         with --device gpu:0",
        listed(adapters)
    )
}

/// The GPU that is measured when none is named: the only one that is hardware, or the only one of the best class.
///
/// # Errors
/// Failure when there is none, misuse when there are several as good.
pub fn best(adapters: &[Adapter]) -> Result<Chosen> {
    let rank = hardware(adapters).map(Adapter::rank).min();
    let all: Vec<&Adapter> = hardware(adapters).collect();
    let first: Vec<&Adapter> = all.iter().copied().filter(|adapter| Some(adapter.rank()) == rank).collect();
    match first.as_slice() {
        [] => Err(Error::failure(no_hardware(adapters))),
        [only] => {
            let others = all.iter().copied().filter(|adapter| adapter != only);
            let others = listed(others);
            let remark = || {
                format!(
                    "there are several GPUs: {} is measured; others are named as in --device gpu:1: {others}",
                    only.name
                )
            };
            Ok(Chosen { adapter: (*only).clone(), remark: (!others.is_empty()).then(remark) })
        }
        several => Err(Error::misuse(format!(
            "--device gpu: there are several; name one as in --device gpu:{}: {}",
            several[0].index,
            listed(several.iter().copied())
        ))),
    }
}

/// The adapter that `what` names: by its number, by vendor and device as in `10de:2684`, by its place on the bus, or by a
/// part of its name. Software too.
///
/// # Errors
/// Failure when there is no adapter at all, misuse when `what` names none of them or several.
pub fn named(adapters: &[Adapter], what: &str) -> Result<Chosen> {
    if adapters.is_empty() {
        return Err(Error::failure(no_hardware(adapters)));
    }
    let name = what.to_lowercase();
    let ways: [&dyn Fn(&Adapter) -> bool; 3] = [
        &|adapter| adapter.index.to_string() == name,
        &|adapter| [&adapter.pci_id, &adapter.pci_bus].into_iter().flatten().any(|id| id.to_lowercase() == name),
        &|adapter| adapter.name.to_lowercase().contains(&name),
    ];
    let found = ways.iter().map(|way| adapters.iter().filter(|adapter| way(adapter)).collect::<Vec<_>>());
    match found.into_iter().find(|found| !found.is_empty()).as_deref() {
        Some([only]) => Ok(Chosen { adapter: (*only).clone(), remark: None }),
        Some(several) => Err(Error::misuse(format!(
            "--device gpu:{what}: means several; name one by its number: {}",
            listed(several.iter().copied())
        ))),
        None => {
            Err(Error::misuse(format!("--device gpu:{what}: there is no such GPU; there are: {}", listed(adapters))))
        }
    }
}

/// The adapter of an earlier measurement: the same name, numbers and backend, at the same place where there are two.
///
/// # Errors
/// Misuse when it is not there.
pub fn again(
    adapters: &[Adapter],
    name: &str,
    pci_id: Option<&str>,
    pci_bus: Option<&str>,
    backend: &str,
) -> Result<Adapter> {
    let same: Vec<&Adapter> = adapters
        .iter()
        .filter(|adapter| adapter.name == name && adapter.pci_id.as_deref() == pci_id && adapter.backend == backend)
        .collect();
    let there = same.iter().find(|adapter| adapter.pci_bus.as_deref() == pci_bus).or(same.first());
    there.map(|adapter| (*adapter).clone()).ok_or_else(|| {
        let now = if adapters.is_empty() { "none".to_owned() } else { listed(adapters) };
        Error::misuse(format!("was measured on {name} through {backend}, which is not here; there are: {now}"))
    })
}

fn listed<'a>(adapters: impl IntoIterator<Item = &'a Adapter>) -> String {
    let one =
        |adapter: &Adapter| format!("{} {} ({}, {})", adapter.index, adapter.name, adapter.class, adapter.backend);
    adapters.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;
    use crate::profile::GpuClass;

    fn machine(list: &[(&str, GpuClass, &str)]) -> Vec<Adapter> {
        let adapter = |(index, (name, class, pci_id)): (usize, &(&str, GpuClass, &str))| Adapter {
            index,
            place: index,
            name: (*name).to_owned(),
            class: *class,
            backend: "vulkan".to_owned(),
            pci_id: Some((*pci_id).to_owned()),
            pci_bus: Some(format!("0000:0{index}:00.0")),
            driver: String::new(),
            driver_info: String::new(),
            memory_bytes: None,
        };
        list.iter().enumerate().map(adapter).collect()
    }

    const CARD: (&str, GpuClass, &str) = ("NVIDIA GeForce RTX 4090", GpuClass::Discrete, "10de:2684");
    const CHIP: (&str, GpuClass, &str) = ("AMD Radeon 780M (RADV PHOENIX)", GpuClass::Integrated, "1002:15bf");
    const SOFTWARE: (&str, GpuClass, &str) = ("llvmpipe (LLVM 15.0.6, 256 bits)", GpuClass::Software, "10005:0000");

    #[test]
    fn without_a_name_the_best_hardware_is_chosen() {
        let chosen = best(&machine(&[CHIP, SOFTWARE])).unwrap();
        assert_eq!((chosen.adapter.index, chosen.remark), (0, None));
        let chosen = best(&machine(&[CARD, CHIP, SOFTWARE])).unwrap();
        assert_eq!(chosen.adapter.index, 0);
        let remark = chosen.remark.unwrap();
        assert!(remark.contains("RTX 4090 is measured") && remark.contains("1 AMD Radeon 780M"), "{remark}");
        let two = best(&machine(&[CARD, CARD, CHIP])).unwrap_err();
        assert_eq!(two.fault(), Fault::Misuse);
        assert!(two.to_string().contains("1 NVIDIA") && !two.to_string().contains("AMD"), "{two}");
    }

    #[test]
    fn software_is_chosen_only_by_name() {
        for (adapters, word) in [(machine(&[SOFTWARE]), "llvmpipe"), (Vec::new(), "no GPU")] {
            let none = best(&adapters).unwrap_err();
            assert_eq!(none.fault(), Fault::Failure);
            assert!(none.to_string().contains(word) && none.to_string().contains("install"), "{none}");
        }
        assert_eq!(named(&machine(&[CARD, SOFTWARE]), "LLVMpipe").unwrap().adapter.index, 1);
        assert_eq!(hardware(&machine(&[CARD, SOFTWARE])).count(), 1);
    }

    #[test]
    fn names_are_numbers_ids_places_or_parts() {
        let all = machine(&[CARD, CHIP, SOFTWARE]);
        for (what, index) in [
            ("2", 2),
            ("10de:2684", 0),
            ("1002:15BF", 1),
            ("0000:01:00.0", 1),
            ("4090", 0),
            ("radv", 1),
            ("RTX 4090", 0),
        ] {
            assert_eq!(named(&all, what).map(|chosen| chosen.adapter.index), Ok(index), "{what}");
        }
        let none = named(&all, "voodoo").unwrap_err();
        assert_eq!(none.fault(), Fault::Misuse);
        assert!(["voodoo", "4090", "780M", "llvmpipe"].iter().all(|word| none.to_string().contains(word)), "{none}");
        let several = named(&machine(&[CARD, CARD, CHIP]), "geforce").unwrap_err();
        assert_eq!(several.fault(), Fault::Misuse);
        assert!(several.to_string().contains("0 NVIDIA") && several.to_string().contains("1 NVIDIA"), "{several}");
        assert_eq!(named(&[], "0").unwrap_err().fault(), Fault::Failure);
    }

    #[test]
    fn an_earlier_adapter_is_found_again_or_missed() {
        let all = machine(&[CARD, CARD, CHIP]);
        let find = |bus, backend| again(&all, CARD.0, Some(CARD.2), bus, backend).map(|adapter| adapter.index);
        assert_eq!(find(Some("0000:01:00.0"), "vulkan"), Ok(1));
        assert_eq!(find(None, "vulkan"), Ok(0));
        let gone = find(None, "dx12").unwrap_err();
        assert!(gone.fault() == Fault::Misuse && gone.to_string().contains("dx12"), "{gone}");
    }
}
