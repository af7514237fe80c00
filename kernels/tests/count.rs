//! How many kernels this CPU runs of each instruction set: `--nocapture` shows them, one line each.

use roofprobe_kernels::Isa;
use roofprobe_kernels::ops::attention::AttentionKernel;
use roofprobe_kernels::ops::chain::ChainKernel;
use roofprobe_kernels::ops::matmul::MatmulKernel;
use roofprobe_kernels::ops::stream::StreamKernel;

#[test]
fn every_instruction_set_has_one_table() {
    // Each answers, without a table of its own it could not; and no table stands twice.
    let known: Vec<_> = Isa::ALL.iter().map(|isa| (isa.architecture(), isa.available())).collect();
    assert!(known.contains(&(None, true)));
    let mut kinds: Vec<_> = ChainKernel::all().map(|kernel| format!("{} {:?}", kernel.isa(), kernel.shape())).collect();
    let count = kinds.len();
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), count);
}

#[test]
fn every_instruction_set_of_this_cpu_has_kernels() {
    let mut total = 0;
    for &isa in Isa::ALL.iter().filter(|isa| isa.available()) {
        let counts = [
            ("streams", StreamKernel::all().filter(|kernel| kernel.isa() == isa).count()),
            ("chains", ChainKernel::all().filter(|kernel| kernel.isa() == isa).count()),
            ("matmuls", MatmulKernel::all().filter(|kernel| kernel.isa() == isa).count()),
            ("attention", AttentionKernel::all().filter(|kernel| kernel.isa() == isa).count()),
        ];
        let of_isa: usize = counts.iter().map(|(_, count)| count).sum();
        let words: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        println!("{isa}: {of_isa} kernels ({})", words.join(", "));
        assert!(of_isa > 0, "{isa} is there, and has no kernel");
        total += of_isa;
    }
    println!("{total} kernels in all");
}
