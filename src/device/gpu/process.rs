//! A worker's process as its parent sees it: asked line by line, given up when it does not answer, and its end told in words.

use super::wire::{self, Answer, Request};
use crate::device::child;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much is kept of what the worker and its driver say on standard error,
const WORDS_BYTES: usize = 2 << 10;
/// and how much of it is repeated in a reason.
const LAST_WORDS: usize = 160;
/// How often somebody who waits looks whether he is to stop,
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// and how long a pass that is nearly done is waited for then.
const GRACE: Duration = Duration::from_secs(1);
/// A process that was ended should be gone by then; one that is not hangs in the kernel, and is left alone.
const END_MAX: Duration = Duration::from_secs(2);

/// Whether somebody wants it all to end.
pub(super) type Stop = fn() -> bool;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Loss {
    /// The process died, or its device did.
    Died(String),
    /// There was none in time.
    Hung(String),
    /// Somebody wants it all to end.
    Interrupted,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Loss::Died(reason) | Loss::Hung(reason) => f.write_str(reason),
            Loss::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// A worker.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Closed when the worker is to end.
    requests: Option<ChildStdin>,
    answers: Receiver<Result<Answer, String>>,
    words: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(command: &mut Command) -> Result<Process, String> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|e| format!("a process for the GPU cannot be started: {e}"))?;
        let (sender, answers) = mpsc::channel();
        let (requests, said, words) = (child.stdin.take(), child.stdout.take(), Arc::default());
        if let Some(said) = said {
            std::thread::spawn(move || listen(said, |answer| sender.send(answer).is_ok()));
        }
        if let Some(muttered) = child.stderr.take() {
            let words = Arc::clone(&words);
            std::thread::spawn(move || remember(muttered, &words));
        }
        Ok(Process { child, requests, answers, words })
    }

    /// Asks, and waits for the answer at most `time_max`, or hardly any longer once `stop` says so. After an error the process
    /// is gone.
    ///
    /// # Errors
    /// What happened to it.
    pub(super) fn ask(&mut self, request: &Request, time_max: Duration, stop: Stop) -> Result<Answer, Loss> {
        let line = wire::line(request).map_err(Loss::Died)?;
        let told = self.requests.as_mut().map(|requests| {
            let written = requests.write_all(line.as_bytes());
            written.and_then(|()| requests.flush())
        });
        if !matches!(told, Some(Ok(()))) {
            return Err(Loss::Died(self.end()));
        }
        let loss = match self.heard(time_max, stop) {
            Ok(Ok(Answer::Fatal(reason))) => Loss::Died(reason),
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(reason)) => Loss::Died(format!("the GPU's process gave an answer that is not understood: {reason}")),
            Err(RecvTimeoutError::Timeout) if stop() => Loss::Interrupted,
            Err(RecvTimeoutError::Timeout) => {
                Loss::Hung(format!("the GPU's process did not answer within {} s", time_max.as_secs_f64()))
            }
            Err(RecvTimeoutError::Disconnected) => return Err(Loss::Died(self.end())),
        };
        self.kill();
        Err(loss)
    }

    fn heard(&self, time_max: Duration, stop: Stop) -> Result<Result<Answer, String>, RecvTimeoutError> {
        let mut until = Instant::now() + time_max;
        let mut stopping = false;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left.min(LOOK_EVERY)) {
                Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
                heard => return heard,
            }
            if !stopping && stop() {
                stopping = true;
                until = until.min(Instant::now() + GRACE);
            }
        }
    }

    /// How a process ended that has stopped talking.
    fn end(&mut self) -> String {
        let end = match child::wait(&mut self.child, END_MAX) {
            Ok(Some(status)) => child::described(status),
            Ok(None) => {
                self.kill();
                "stopped talking".to_owned()
            }
            Err(e) => format!("cannot be watched: {e}"),
        };
        let words = self.last_words();
        let words = if words.is_empty() { words } else { format!(", saying: {words}") };
        format!("the GPU's process {end}{words}")
    }

    /// The end of what it said on standard error, as one line.
    fn last_words(&self) -> String {
        // What was said last may still be on its way; it is complete when nobody writes any more.
        let begun = Instant::now();
        while Arc::strong_count(&self.words) > 1 && begun.elapsed() < END_MAX / 10 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let words = String::from_utf8_lossy(&words).replace(char::is_control, " ");
        let words: Vec<char> = words.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
        let cut = words.len().saturating_sub(LAST_WORDS);
        let last: String = words[cut..].iter().collect();
        if cut > 0 { format!("…{last}") } else { last }
    }

    fn kill(&mut self) {
        // It may have ended just now; then there is nobody to be told.
        let _ = self.child.kill();
        let _ = child::wait(&mut self.child, END_MAX);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.requests = None;
        if !matches!(child::wait(&mut self.child, END_MAX), Ok(Some(_))) {
            self.kill();
        }
    }
}

/// Hands every answer on until there are no more, or nobody wants them.
fn listen(said: impl Read, mut hand_on: impl FnMut(Result<Answer, String>) -> bool) {
    let mut said = BufReader::new(said);
    let mut line = Vec::new();
    // Drivers need not speak UTF-8.
    while said.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        let answer = wire::read(&String::from_utf8_lossy(&line));
        if answer.is_some_and(|answer| !hand_on(answer)) {
            return;
        }
        line.clear();
    }
}

/// Keeps the last of what is said, until there is no more.
fn remember(mut muttered: impl Read, words: &Mutex<Vec<u8>>) {
    let mut part = [0; 1024];
    while let Ok(bytes @ 1..) = muttered.read(&mut part) {
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(&part[..bytes]);
        let surplus = words.len().saturating_sub(WORDS_BYTES);
        words.drain(..surplus);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    fn never() -> bool {
        false
    }

    fn list() -> Request {
        Request::List { backend: "vulkan".to_owned() }
    }

    fn asked(script: &str, time_max: Duration) -> Result<Answer, Loss> {
        shell(script).ask(&list(), time_max, never)
    }

    fn died(script: &str) -> String {
        match asked(script, LONG) {
            Err(Loss::Died(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn saying(answer: &Answer) -> String {
        format!("printf chatter; printf '%s' '{}'", wire::line(answer).unwrap())
    }

    #[test]
    fn an_answer_is_found_among_a_drivers_chatter() {
        let done = saying(&Answer::Done);
        assert_eq!(asked(&format!("printf '\\377\\n'; {done}; sleep 600"), LONG), Ok(Answer::Done));
        let mut process = shell(&format!("read a; read b; {done}; read c; {done}; exec sleep 600"));
        assert_eq!(process.ask(&Request::Renew, LONG, never), Ok(Answer::Done));
        assert_eq!(process.ask(&Request::Renew, LONG, never), Ok(Answer::Done));
    }

    #[test]
    fn death_is_noticed_and_its_last_words_kept() {
        let said = died("echo first words >&2; kill -SEGV $$");
        assert_eq!(said, "the GPU's process died with signal 11, saying: first words");
        assert!(died("exit 3").contains("failed"));
        let long = died("i=0; while [ $i -lt 999 ]; do echo line $i >&2; i=$((i+1)); done; exit 1");
        assert!(long.ends_with("line 998") && long.chars().count() < 300, "{long}");
        let mut gone = shell("exit 0");
        assert!(gone.ask(&Request::Renew, LONG, never).is_err() && gone.ask(&Request::Renew, LONG, never).is_err());
    }

    #[test]
    fn what_hangs_is_ended() {
        let mut process = shell("exec sleep 600");
        let loss = process.ask(&list(), Duration::from_millis(30), never).unwrap_err();
        assert!(matches!(&loss, Loss::Hung(reason) if reason.contains("did not answer within 0.03 s")), "{loss}");
        assert!(process.child.try_wait().unwrap().is_some());
    }

    #[test]
    fn nobody_who_wants_to_stop_waits_for_what_hangs() {
        let mut process = shell("exec sleep 600");
        assert_eq!(process.ask(&list(), LONG, || true), Err(Loss::Interrupted));
        assert!(process.child.try_wait().unwrap().is_some());
    }

    #[test]
    fn a_lost_device_and_nonsense_end_the_process() {
        let mut process = shell(&format!("{}; exec sleep 600", saying(&Answer::Fatal("lost".to_owned()))));
        assert_eq!(process.ask(&list(), LONG, never), Err(Loss::Died("lost".to_owned())));
        assert!(process.child.try_wait().unwrap().is_some());
        let nonsense = wire::line(&"nonsense").unwrap();
        assert!(died(&format!("printf '%s' '{nonsense}'; sleep 600")).contains("not understood"));
    }

    #[test]
    fn a_program_that_is_not_there_cannot_be_started() {
        assert!(Process::start(&mut Command::new("/nonexistent/program")).unwrap_err().contains("cannot be started"));
    }
}
