//! Layers that keep a state of fixed size.
//!
//! Projections count as such ([`Class::AttnProj`]); what they are projected for is [`Class::Ssm`]. The state is read and
//! written once per pass and sequence, in f32, whatever the context.

use super::super::recurrent::{Part, Recurrent};
use super::class::Class;
use super::plan::{Plan, product};
use super::step::Step;
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    pub(super) fn recurrent(&mut self, recurrent: &Recurrent) -> Result<()> {
        for part in &recurrent.parts {
            self.part(part)?;
        }
        Ok(())
    }

    fn part(&mut self, part: &Part) -> Result<()> {
        let (rows, class) = (self.rows, Class::Ssm);
        match *part {
            Part::Linear { name, bias, out, inner } => self.linear(Class::AttnProj, name, bias, out, inner),
            Part::State(elements) => self.push("state", class, Op::State, Shape::rows(self.forward.batch, elements)),
            Part::Conv { name, bias, channels, taps } => {
                self.push(name, class, Op::Conv, Shape::along(rows, channels, taps));
                if let Some(bias) = bias {
                    self.push(bias, class, Op::Bias, Shape::rows(rows, channels));
                }
            }
            Part::Vector { name, row } => self.push(name, class, Op::Bias, Shape::rows(rows, row)),
            Part::Norm { name, rows: each, row, gated } => {
                let op = if gated { Op::GatedNorm } else { Op::RmsNorm };
                self.push(name, class, op, Shape::norm(product(&[rows, each])?, row, 1));
            }
            Part::Elementwise { name, op, row } => self.push(name, class, op, Shape::rows(rows, row)),
            Part::Scan { op, channels, states } => {
                self.push("ssm_scan", class, op, Shape::along(rows, channels, states));
            }
        }
        Ok(())
    }
}
