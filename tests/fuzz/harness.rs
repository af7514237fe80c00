//! What is done with every kind of file: damage it, read it, time it, weigh it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No file below 1 MiB takes so long on any machine; a machine that was stopped meanwhile may.
const SLOW: Duration = Duration::from_secs(2);
/// Files are smaller, and what is kept of them at once too.
const FILE_BYTES: usize = 1 << 20;
const MEMORY_BYTES: usize = 64 << 20;

/// The allocator counts the whole process: one case at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// xorshift64*: the same damage every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }

    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }

    /// A number that a reader may stumble over.
    pub(crate) fn number(&mut self, file: usize) -> u64 {
        let small = self.roll(300) as u64;
        let shift = self.roll(64);
        [
            0,
            1,
            8,
            9,
            small,
            u64::MAX,
            i64::MAX as u64,
            1 << shift,
            (1 << shift) - 1,
            file as u64,
            (file as u64).wrapping_sub(small),
            1 << 32,
        ][self.roll(12)]
    }
}

/// A kind of file.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Whole files to begin with.
    pub(crate) seeds: Vec<Vec<u8>>,
    pub(crate) damage: fn(&[u8], &mut Dice) -> Vec<u8>,
    /// Reads a file and goes on as far as it can, with its own panics where what comes out is wrong: 0 refused, 1 read, 2
    /// computed with.
    pub(crate) survives: fn(&[u8], &mut Dice) -> usize,
}

impl Kind {
    /// With the files of the folder that `FUZZ_SEEDS` names, where it does.
    pub(crate) fn with_seeds_by_hand(mut self) -> Kind {
        if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
            let mut paths: Vec<PathBuf> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            let texts = paths.iter().filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap());
            self.seeds.extend(texts.filter(|text| text.len() < FILE_BYTES / 2));
        }
        self
    }

    /// Where a file is kept that one must look at.
    fn kept(&self, what: &str, bytes: &[u8]) -> String {
        let path = std::env::temp_dir().join(format!("fuzz-{}-{what}", self.name));
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    /// One file: how far it got.
    fn case(&self, bytes: &[u8], seed: u64) -> usize {
        assert!(bytes.len() < FILE_BYTES);
        let memory = crate::MEMORY;
        let before = memory.current_usage();
        memory.reset_peak_usage();
        let begun = Instant::now();
        let run = || (self.survives)(bytes, &mut Dice(seed));
        let reached = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| panic!("panics, dice {seed}: {}", self.kept("panic", bytes)));
        let took = memory.peak_usage().saturating_sub(before);
        assert!(took <= MEMORY_BYTES, "{took} bytes of memory, dice {seed}: {}", self.kept("memory", bytes));
        if begun.elapsed() > SLOW {
            // A file that hangs the reader does so every time.
            let quick = |_| {
                let begun = Instant::now();
                run();
                begun.elapsed() < SLOW
            };
            let kept = self.kept("slow", bytes);
            assert!((0..5).any(quick), "hangs, dice {seed}: {kept}");
        }
        reached
    }

    /// Every beginning of every file, then damaged ones until told to stop; how many got how far.
    fn fuzz(&self, seed: u64, keep: bool, mut goes_on: impl FnMut(usize) -> bool) -> [usize; 3] {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reached = [0; 3];
        if keep {
            for whole in &self.seeds {
                (0..whole.len().min(20_000)).for_each(|end| reached[self.case(&whole[..end], 1)] += 1);
            }
        }
        let mut dice = Dice(seed);
        let damaged_from = reached.iter().sum::<usize>();
        while goes_on(reached.iter().sum::<usize>() - damaged_from) {
            let bytes = (self.damage)(dice.one(&self.seeds).as_slice(), &mut dice);
            let own = dice.0;
            if keep {
                // What a stack that overflows, or a loop without end, leaves behind.
                self.kept("last", &bytes);
            }
            reached[self.case(&bytes, own)] += 1;
        }
        reached
    }

    /// The same `cases` every time: all ways of going wrong, and of going well, are met.
    pub(crate) fn briefly(&self, cases: usize) {
        for whole in &self.seeds {
            assert!(self.case(whole, 1) > 0, "{}", self.kept("seed", whole));
        }
        let reached = self.fuzz(0x5eed, false, |done| done < cases);
        assert!(reached[0] > cases / 20 && reached[2] > cases / 20, "{reached:?}");
    }

    /// For `FUZZ_SECONDS`, ten minutes as a rule.
    pub(crate) fn at_length(self) {
        let of = |name: &str| std::env::var(name).ok().and_then(|word| word.parse::<u64>().ok());
        let (seed, seconds) = (of("FUZZ_SEED").unwrap_or(1).max(1), of("FUZZ_SECONDS").unwrap_or(600));
        let begun = Instant::now();
        let kind = self.with_seeds_by_hand();
        let reached = kind.fuzz(seed, true, |_| begun.elapsed() < Duration::from_secs(seconds));
        let said = format!("seed {seed}, refused, read, computed with: {reached:?}\n");
        std::fs::write(Path::new(&kind.kept("counts", &[])), said).unwrap();
        assert!(reached[0] > 0 && reached[2] > 0, "{reached:?}");
    }
}
