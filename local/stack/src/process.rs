//! One function process: started cold, asked one thing at a time, stopped with the stack.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

use crate::output::Output;

/// What a process is started from.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) binary: String,
    pub(crate) path: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Program {
    /// Starts a process that asks `runtime_api` for work. It dies with its handle.
    pub(crate) fn start(&self, runtime_api: &str, output: &Arc<Output>) -> std::io::Result<Child> {
        let mut command = Command::new(&self.path);
        command
            .env_clear()
            .envs(&self.environment)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(copy_lines(stdout, self.binary.clone(), output.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(copy_lines(stderr, self.binary.clone(), output.clone()));
        }
        Ok(child)
    }
}

async fn copy_lines(from: impl AsyncRead + Unpin, binary: String, output: Arc<Output>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        output.function_line(&binary, &line);
    }
}
