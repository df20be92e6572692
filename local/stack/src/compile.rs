//! Building the functions, as the person at the terminal would.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::StackError;

/// Builds the binaries and gives the folder that they are in. Cargo's own progress goes to the terminal.
pub(crate) async fn functions(root: &Path, binaries: &[String]) -> Result<PathBuf, StackError> {
    let cargo = edge::env::variable("CARGO").unwrap_or_else(|| "cargo".to_owned());
    let mut command = Command::new(cargo);
    // What cargo told this process of its own package would look like a change to some build scripts, and everything
    // behind them would be compiled again, back and forth.
    for name in edge::env::names()
        .filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    {
        command.env_remove(name);
    }
    command.current_dir(root).args(["build", "--message-format", "json-render-diagnostics"]);
    // The same set of packages as `cargo dev` itself needs, so that both share what is compiled.
    command.args(["--package", "stack", "--bin", "dev"]);
    for binary in binaries {
        command.args(["--package", binary, "--bin", binary]);
    }
    let output = command.stderr(std::process::Stdio::inherit()).output().await?;
    if !output.status.success() {
        return Err(StackError::Build);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut folder = None;
    for binary in binaries {
        let path = text.lines().find_map(|line| executable(line, binary));
        let path = path.ok_or_else(|| StackError::NoBinary(binary.clone()))?;
        folder = path.parent().map(Path::to_owned);
    }
    folder.ok_or(StackError::Build)
}

/// The path of a binary, if this line of cargo's output tells it.
fn executable(line: &str, binary: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_it = message["reason"] == "compiler-artifact"
        && message["target"]["name"] == binary
        && message["target"]["kind"] == serde_json::json!(["bin"]);
    if is_it { message["executable"].as_str().map(PathBuf::from) } else { None }
}
