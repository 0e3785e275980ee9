//! The program as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) fn eyot(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eyot"));
    command.args(args).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end; returns exit code, standard output, standard error.
pub(crate) fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = eyot(dir, args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A node that has said what it has to say. Killed when the test ends early.
pub(crate) struct Node {
    pub(crate) child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) said: String,
}

impl Node {
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"];
        all.extend(args);
        let mut child = eyot(dir, &all).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("add a user") {
            if out.read_line(&mut said).unwrap() == 0 {
                let mut error = String::new();
                child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("the node did not start: {said}{error}");
            }
        }
        Self { child, out, said }
    }

    /// Waits until the process has started its node anew, and has said what it has to say again.
    pub(crate) fn again(&mut self) {
        self.said.clear();
        while !self.said.contains("add a user") {
            assert!(
                self.out.read_line(&mut self.said).unwrap() > 0,
                "the node did not start again: {}",
                self.said
            );
        }
    }

    pub(crate) fn starttls(&self) -> SocketAddr {
        self.listens("(STARTTLS)")
    }

    pub(crate) fn direct_tls(&self) -> SocketAddr {
        self.listens("(direct TLS)")
    }

    fn listens(&self, how: &str) -> SocketAddr {
        let line = self.said.lines().find(|line| line.contains(how)).unwrap();
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end and returns the exit code; none when a signal ended it.
    pub(crate) fn wait(mut self) -> Option<i32> {
        // Nothing more is said: a node tells what it did once.
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended already in a test that passed.
        let _ended = self.child.kill().is_err() || self.child.wait().is_err();
    }
}
