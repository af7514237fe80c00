//! A worker process as its parent sees it: it is asked line by line, and ended when it does not answer.

use crate::device::child;
use crate::device::gpu::protocol::{self, Answer, Request};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The hidden verb that makes this program a worker.
pub(crate) const VERB: &str = "gpu-worker";

/// Drivers may wake a GPU to list or open it, which takes seconds where there are many.
pub(super) const OPENING_MAX: Duration = Duration::from_secs(60);
/// How much of the worker's standard error is kept.
const STDERR_BYTES: usize = 2 << 10;
/// How many characters of it are repeated in a reason.
const STDERR_SHOWN: usize = 160;
/// How often a wait checks whether it is interrupted.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long an interrupted wait still waits for a pass that may be nearly done.
const GRACE: Duration = Duration::from_secs(1);
/// A process that was ended should be gone by then. One that is not hangs in the kernel, and is left alone.
const END_MAX: Duration = Duration::from_secs(2);

/// Returns true when the measurement is to end.
pub(super) type Stop = fn() -> bool;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum WorkerError {
    /// The process crashed, or lost its device.
    Crashed(String),
    /// There was no answer in time.
    TimedOut(String),
    /// The measurement is to end.
    Interrupted,
}

impl WorkerError {
    /// An answer that does not belong to the request.
    pub(super) fn unexpected(answer: &Answer) -> WorkerError {
        WorkerError::Crashed(format!("the GPU's process answered {answer:?}"))
    }
}

impl std::fmt::Display for WorkerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WorkerError::Crashed(reason) | WorkerError::TimedOut(reason) => f.write_str(reason),
            WorkerError::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// A worker process.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Closing it ends the worker.
    requests: Option<ChildStdin>,
    answers: Receiver<Result<Answer, String>>,
    /// The last bytes of its standard error.
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    /// Starts this program as a worker.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start_worker() -> Result<Process, String> {
        let program = std::env::current_exe().map_err(|e| format!("a process for the GPU cannot be started: {e}"))?;
        Process::start(Command::new(program).arg(VERB))
    }

    /// Starts `command`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(command: &mut Command) -> Result<Process, String> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|e| format!("a process for the GPU cannot be started: {e}"))?;
        let (sender, answers) = mpsc::channel();
        let (requests, stdout, stderr) = (child.stdin.take(), child.stdout.take(), Arc::default());
        let forwarder = stdout.map(|stdout| {
            let forward = move || forward_answers(stdout, |answer| sender.send(answer).is_ok());
            std::thread::Builder::new().spawn(forward)
        });
        let keeper = child.stderr.take().map(|pipe| {
            let stderr = Arc::clone(&stderr);
            std::thread::Builder::new().spawn(move || keep_last(pipe, &stderr))
        });
        let process = Process { child, requests, answers, stderr };
        for started in [forwarder, keeper].into_iter().flatten() {
            // The process ends with its handle.
            started.map_err(|e| format!("no thread can be started for the GPU's process: {e}"))?;
        }
        Ok(process)
    }

    /// Sends `request` and waits for its answer, at most `time_max`; once `stop` returns true only for a moment more. After an
    /// error the process is gone.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) fn ask(&mut self, request: &Request, time_max: Duration, stop: Stop) -> Result<Answer, WorkerError> {
        let line = protocol::line(request).map_err(WorkerError::Crashed)?;
        let sent = self.requests.as_mut().map(|requests| {
            let written = requests.write_all(line.as_bytes());
            written.and_then(|()| requests.flush())
        });
        if !matches!(sent, Some(Ok(()))) {
            return Err(WorkerError::Crashed(self.end()));
        }
        let error = match self.receive(time_max, stop) {
            Ok(Ok(Answer::Fatal(reason))) => WorkerError::Crashed(reason),
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(reason)) => {
                WorkerError::Crashed(format!("the GPU's process gave an answer that is not understood: {reason}"))
            }
            Err(RecvTimeoutError::Timeout) if stop() => WorkerError::Interrupted,
            Err(RecvTimeoutError::Timeout) => {
                WorkerError::TimedOut(format!("the GPU's process did not answer within {} s", time_max.as_secs_f64()))
            }
            Err(RecvTimeoutError::Disconnected) => return Err(WorkerError::Crashed(self.end())),
        };
        self.kill();
        Err(error)
    }

    fn receive(&self, time_max: Duration, stop: Stop) -> Result<Result<Answer, String>, RecvTimeoutError> {
        let mut until = Instant::now() + time_max;
        let mut stopping = false;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left.min(POLL_INTERVAL)) {
                Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
                received => return received,
            }
            if !stopping && stop() {
                stopping = true;
                until = until.min(Instant::now() + GRACE);
            }
        }
    }

    /// Describes the end of a process that has closed its pipes.
    fn end(&mut self) -> String {
        let end = match child::wait(&mut self.child, END_MAX) {
            Ok(Some(status)) => child::described(status),
            Ok(None) => {
                self.kill();
                "stopped talking".to_owned()
            }
            Err(e) => format!("cannot be watched: {e}"),
        };
        let stderr = self.last_output();
        let stderr = if stderr.is_empty() { stderr } else { format!(", saying: {stderr}") };
        format!("the GPU's process {end}{stderr}")
    }

    /// The end of its standard error, as one line.
    fn last_output(&self) -> String {
        // The last bytes may still be on their way. All are there when the reading thread has ended.
        let begun = Instant::now();
        while Arc::strong_count(&self.stderr) > 1 && begun.elapsed() < END_MAX / 10 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let words = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let words = String::from_utf8_lossy(&words).replace(char::is_control, " ");
        let words: Vec<char> = words.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
        let cut = words.len().saturating_sub(STDERR_SHOWN);
        let last: String = words[cut..].iter().collect();
        if cut > 0 { format!("…{last}") } else { last }
    }

    fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
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

/// Reads answers until there are no more, or `send` returns false.
fn forward_answers(stdout: impl Read, mut send: impl FnMut(Result<Answer, String>) -> bool) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    // Drivers need not speak UTF-8.
    while stdout.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        let answer = protocol::read(&String::from_utf8_lossy(&line));
        if answer.is_some_and(|answer| !send(answer)) {
            return;
        }
        line.clear();
    }
}

/// Keeps the last bytes that `pipe` delivers, until it is closed.
fn keep_last(mut pipe: impl Read, last: &Mutex<Vec<u8>>) {
    let mut part = [0; 1024];
    while let Ok(bytes @ 1..) = pipe.read(&mut part) {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        last.extend_from_slice(&part[..bytes]);
        let surplus = last.len().saturating_sub(STDERR_BYTES);
        last.drain(..surplus);
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

    fn asked(script: &str, time_max: Duration) -> Result<Answer, WorkerError> {
        shell(script).ask(&list(), time_max, never)
    }

    fn crash(script: &str) -> String {
        match asked(script, LONG) {
            Err(WorkerError::Crashed(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn printing(answer: &Answer) -> String {
        format!("printf chatter; printf '%s' '{}'", protocol::line(answer).unwrap())
    }

    #[test]
    fn an_answer_is_found_among_a_drivers_chatter() {
        let done = printing(&Answer::Done);
        assert_eq!(asked(&format!("printf '\\377\\n'; {done}; sleep 600"), LONG), Ok(Answer::Done));
        let mut process = shell(&format!("read a; read b; {done}; read c; {done}; exec sleep 600"));
        assert_eq!(process.ask(&Request::Renew, LONG, never), Ok(Answer::Done));
        assert_eq!(process.ask(&Request::Renew, LONG, never), Ok(Answer::Done));
    }

    #[test]
    fn a_crash_is_noticed_and_its_last_words_kept() {
        let said = crash("echo first words >&2; kill -SEGV $$");
        assert_eq!(said, "the GPU's process died with signal 11, saying: first words");
        assert!(crash("exit 3").contains("failed"));
        let long = crash("i=0; while [ $i -lt 999 ]; do echo line $i >&2; i=$((i+1)); done; exit 1");
        assert!(long.ends_with("line 998") && long.chars().count() < 300, "{long}");
        let mut gone = shell("exit 0");
        assert!(gone.ask(&Request::Renew, LONG, never).is_err() && gone.ask(&Request::Renew, LONG, never).is_err());
    }

    #[test]
    fn what_hangs_is_ended() {
        let mut process = shell("exec sleep 600");
        let loss = process.ask(&list(), Duration::from_millis(30), never).unwrap_err();
        assert!(
            matches!(&loss, WorkerError::TimedOut(reason) if reason.contains("did not answer within 0.03 s")),
            "{loss}"
        );
        assert!(process.child.try_wait().unwrap().is_some());
    }

    #[test]
    fn an_interrupted_wait_ends_soon() {
        let mut process = shell("exec sleep 600");
        assert_eq!(process.ask(&list(), LONG, || true), Err(WorkerError::Interrupted));
        assert!(process.child.try_wait().unwrap().is_some());
    }

    #[test]
    fn a_lost_device_and_nonsense_end_the_process() {
        let mut process = shell(&format!("{}; exec sleep 600", printing(&Answer::Fatal("lost".to_owned()))));
        assert_eq!(process.ask(&list(), LONG, never), Err(WorkerError::Crashed("lost".to_owned())));
        assert!(process.child.try_wait().unwrap().is_some());
        let nonsense = protocol::line(&"nonsense").unwrap();
        assert!(crash(&format!("printf '%s' '{nonsense}'; sleep 600")).contains("not understood"));
    }

    #[test]
    fn a_program_that_is_not_there_cannot_be_started() {
        assert!(Process::start(&mut Command::new("/nonexistent/program")).unwrap_err().contains("cannot be started"));
    }
}
