//! The notes of an achieved roof: what stands in for what, what was left out, what is doubtful.

use super::achieved::Achieved;
use super::attention::AttentionRates;
use super::task::{Kernel, Task};
use super::{Note, NoteKind};
use crate::model::{Pass, TensorType};
use roofprobe_kernels::Dtype;

impl Achieved<'_> {
    /// The notes of every measurement that `tasks` are answered by, each once.
    pub fn notes<'d>(&self, tasks: impl IntoIterator<Item = &'d Task>) -> Vec<Note> {
        let mut notes: Vec<Note> = Vec::new();
        for task in tasks {
            let (mut here, launched) = (Vec::new(), task.launches > 0.0);
            match task.kernel {
                Kernel::Matmul { tokens, .. } => self.matmul_notes(task.stored, tokens, &mut here),
                Kernel::Attention { pass, group, head_dim, uses, .. } => {
                    self.attention_notes(task, pass, (group, head_dim, uses), &mut here);
                }
                Kernel::Other(op) if task.load.flops.0 > 0.0 => {
                    here.push(Note::new(
                        NoteKind::NotMeasured,
                        format!("no kernel was measured for {op}: it runs under the peak roof"),
                    ));
                }
                Kernel::Other(_) => {}
            }
            here.extend(self.launch.notes.iter().filter(|_| launched).cloned());
            here.iter().for_each(|note| Note::add(&mut notes, note));
        }
        notes
    }

    /// The type whose products stand in for those with weights of `stored`, of which none was measured.
    pub fn stand_in(&self, stored: TensorType) -> Option<Dtype> {
        self.matmul.of_type(stored).filter(|matmul| matmul.stored != stored).map(|matmul| matmul.dtype)
    }

    fn matmul_notes(&self, stored: TensorType, tokens: f64, notes: &mut Vec<Note>) {
        let Some(matmul) = self.matmul.of_type(stored) else { return };
        let (name, ladder) = (matmul.dtype.name(), &matmul.ladder);
        if stored != matmul.stored {
            notes.push(Note::new(NoteKind::StandIn, format!(
                "no matmul of {stored} was measured: matmul.{name} stands in for it, in proportion to the bytes, no faster than \
                 the GFLOP/s of {} and the GB/s of {}",
                matmul.computing.id, matmul.reading.id
            )));
        }
        if tokens < ladder.first().at {
            let first = ladder.first().at;
            notes.push(Note::new(NoteKind::Extrapolated, format!(
                "matmul.{name} was measured from {first} tokens on: fewer run at the rate of {first}, and no weights are read faster \
                 than {} did",
                matmul.reading.id
            )));
        }
        let reading = ladder.at(tokens);
        notes.extend(reading.from.notes.iter().chain(&reading.to.notes).cloned());
        notes.extend(ladder.notes.iter().cloned());
    }

    fn attention_notes(
        &self,
        task: &Task,
        pass: Pass,
        (group, head_dim, uses): (f64, f64, f64),
        notes: &mut Vec<Note>,
    ) {
        let (stored, sharing) = (task.stored, task.sharing());
        let latents = self.attention.latents(pass);
        if let Some(asked) = task.latents().filter(|&asked| latents.rate(asked).is_some()) {
            latents.note(asked, notes);
            if stored != TensorType::F16 {
                let text =
                    format!("no attention to latents in {stored} was measured: that to f16 stands in for it, by FLOPs");
                notes.push(Note::new(NoteKind::StandIn, text));
            }
            return;
        }
        let [no_decode, no_prefill] = self.attention.missing();
        if pass == Pass::Prefill {
            match self.attention.prefill(stored) {
                Some(measured) => variant_notes(measured, "prefill", stored, (group, head_dim, uses), notes),
                None => notes.push(Note::new(
                    NoteKind::NotMeasured,
                    format!("{no_prefill}: attention of prompts runs under the peak roof"),
                )),
            }
        }
        match self.attention.decode(stored) {
            Some(measured) => {
                variant_notes(measured, "decode", stored, (group, head_dim, uses), notes);
                let (heads, _) = measured.rate(group, head_dim, 1.0);
                if pass == Pass::Decode && sharing > measured.most() {
                    let shared = if sharing.is_finite() {
                        format!("{sharing:.0} multiplications share a cached element")
                    } else {
                        "attention reads what was just expanded, not the cache".to_owned()
                    };
                    notes.push(Note::new(NoteKind::Extrapolated, format!(
                        "{shared}; {:.0} are the most that were measured of one, so that it is timed by its FLOPs, at the best rate of \
                         attention measured",
                        measured.most(),
                    )));
                }
                if !measured.has_curve() {
                    notes.push(Note::new(
                        NoteKind::Extrapolated,
                        format!(
                            "{} was measured at {} cached tokens; no curve says how it changes with the context",
                            heads.id, heads.context
                        ),
                    ));
                }
            }
            None => notes
                .push(Note::new(NoteKind::NotMeasured, format!("{no_decode}: the cache is read under the peak roof"))),
        }
    }
}

fn variant_notes(
    measured: &AttentionRates,
    word: &str,
    stored: TensorType,
    (group, head_dim, uses): (f64, f64, f64),
    notes: &mut Vec<Note>,
) {
    let name = measured.dtype.name();
    let (heads, _) = measured.rate(group, head_dim, 1.0);
    if stored != TensorType::from(measured.dtype) {
        let by = if word == "decode" { "bytes" } else { "FLOPs" };
        notes.push(Note::new(
            NoteKind::StandIn,
            format!("no attention over {stored} was measured: attention.{name}.{word} stands in for it, by {by}"),
        ));
    }
    if uses > 1.0 {
        notes.push(Note::new(
            NoteKind::StandIn,
            format!("no attention over latents was measured: {} stands in for it", heads.id),
        ));
    }
    notes.extend(heads.notes.iter().cloned());
    notes.extend(measured.notes.iter().cloned());
}
