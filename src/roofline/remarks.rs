//! What has to be said of an achieved roof: what stands in for what, what was left out, what is doubtful.

use super::achieved::Achieved;
use super::attention::Measured;
use super::task::{Kernel, Task};
use crate::model::{Pass, TensorType};

impl Achieved<'_> {
    /// The remarks of every measurement that `tasks` are answered by, each once.
    pub fn remarks<'d>(&self, tasks: impl IntoIterator<Item = &'d Task>) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        for task in tasks {
            let (mut here, launched) = (Vec::new(), task.launches > 0.0);
            match task.kernel {
                Kernel::Matmul { tokens } => self.matmul_remarks(task.stored, tokens, &mut here),
                Kernel::Attention { pass, group, head_dim, uses, .. } => {
                    self.attention_remarks(task.stored, pass, (group, head_dim, uses), &mut here);
                }
                Kernel::Other(op) if task.load.flops.0 > 0.0 => {
                    here.push(format!("no kernel was measured for {op}: it runs under the peak roof"));
                }
                Kernel::Other(_) => {}
            }
            here.extend(self.launch.remarks.iter().filter(|_| launched).cloned());
            for remark in here {
                if !said.contains(&remark) {
                    said.push(remark);
                }
            }
        }
        said
    }

    fn matmul_remarks(&self, stored: TensorType, tokens: f64, said: &mut Vec<String>) {
        let Some(matmul) = self.matmul.of_type(stored) else { return };
        let (name, ladder) = (matmul.dtype.name(), &matmul.ladder);
        if stored != TensorType::from(matmul.dtype) {
            said.push(format!(
                "no matmul of {stored} was measured: matmul.{name} stands in for it, in proportion to the bytes, no faster than \
                 the GFLOP/s of {} and the GB/s of {}",
                matmul.computing.id, matmul.reading.id
            ));
        }
        if tokens < ladder.first().at {
            let first = ladder.first().at;
            said.push(format!(
                "matmul.{name} was measured from {first} tokens on: fewer run at the rate of {first}, and no weights are read faster \
                 than {} did",
                matmul.reading.id
            ));
        }
        let reading = ladder.at(tokens);
        said.extend(reading.from.remarks.iter().chain(&reading.to.remarks).cloned());
        said.extend(ladder.remarks.iter().cloned());
    }

    fn attention_remarks(
        &self,
        stored: TensorType,
        pass: Pass,
        (group, head_dim, uses): (f64, f64, f64),
        said: &mut Vec<String>,
    ) {
        let [no_decode, no_prefill] = self.attention.missing();
        if pass == Pass::Prefill {
            match self.attention.prefill(stored) {
                Some(measured) => variant_remarks(measured, "prefill", stored, (group, head_dim, uses), said),
                None => said.push(format!("{no_prefill}: attention of prompts runs under the peak roof")),
            }
        }
        match self.attention.decode(stored) {
            Some(measured) => {
                variant_remarks(measured, "decode", stored, (group, head_dim, uses), said);
                let (heads, _) = measured.rate(group, head_dim, 1.0);
                if pass == Pass::Decode && measured.excess(heads, group * uses) > 1.0 {
                    said.push(format!(
                        "{:.0} multiplications share a cached element, {:.0} are the most that were measured: beyond {} time grows with \
                         their number",
                        group * uses,
                        measured.most(),
                        heads.id
                    ));
                }
                if !measured.has_curve() {
                    said.push(format!(
                        "{} was measured at {} cached tokens; no curve says how it changes with the context",
                        heads.id, heads.context
                    ));
                }
            }
            None => said.push(format!("{no_decode}: the cache is read under the peak roof")),
        }
    }
}

fn variant_remarks(
    measured: &Measured,
    word: &str,
    stored: TensorType,
    (group, head_dim, uses): (f64, f64, f64),
    said: &mut Vec<String>,
) {
    let name = measured.dtype.name();
    let (heads, _) = measured.rate(group, head_dim, 1.0);
    if stored != TensorType::from(measured.dtype) {
        let by = if word == "decode" { "bytes" } else { "FLOPs" };
        said.push(format!(
            "no attention over {stored} was measured: attention.{name}.{word} stands in for it, by {by}"
        ));
    }
    if uses > 1.0 {
        said.push(format!("no attention over latents was measured: {} stands in for it", heads.id));
    }
    said.extend(heads.remarks.iter().cloned());
    said.extend(measured.remarks.iter().cloned());
}
