//! A whole program in Rust: an agent, asked by its name.

use hubless::{AgentOptions, Content, Node, NodeOptions, RequestOptions, handler};
use serde_json::json;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> hubless::Result<()> {
    let node = Node::start(NodeOptions::default()).await?;
    let greet = AgentOptions { name: "greet".to_owned(), ..AgentOptions::default() };
    let answer = handler(|_, name| async move {
        let name = name.decoded().unwrap_or_default();
        Ok(Content::value(json!(format!("hello {}", name.as_str().unwrap_or_default()))))
    });
    node.register(greet, answer).await?;
    let asked = RequestOptions::new("greet", Content::value(json!("project")));
    let reply = node.request(asked).await?;
    println!("{}", reply.content.decoded().unwrap_or_default());
    node.close(Duration::from_secs(5)).await;
    Ok(())
}
