//! How a measuring program talks: commands come by lines on standard input, each is answered by one
//! line of JSON.

use crate::command::Command;
use serde_json::Value;
use std::io::Write;

/// Says one line.
#[allow(clippy::print_stdout, reason = "what the runner reads")]
pub fn say(line: &Value) {
    println!("{line}");
    // Whoever listened may be gone, which the end of standard input says as well.
    let _ = std::io::stdout().flush();
}

/// The next command; none: standard input has ended, or says what is no command.
pub async fn next() -> Option<Command> {
    let read = || {
        let mut line = String::new();
        let bytes = std::io::stdin().read_line(&mut line).unwrap_or(0);
        (bytes > 0).then_some(line)
    };
    let line = tokio::task::spawn_blocking(read).await.ok().flatten()?;
    match line.parse() {
        Ok(command) => Some(command),
        Err(fault) => {
            say(&serde_json::json!({ "error": fault }));
            None
        }
    }
}
