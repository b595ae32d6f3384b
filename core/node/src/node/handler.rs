//! Handlers from async functions.

use crate::call::content::Content;
use crate::call::handle::{Call, Inbound};
use crate::foreign::Handler;
use hubless_proto::error::Result;
use std::future::Future;
use std::sync::Arc;

/// Makes a handler of an async function from call and content to the answer; an error is the
/// refusal. The function is dropped where it waits when the call is given up.
///
/// ```no_run
/// # async fn example() -> hubless::Result<()> {
/// use hubless::{AgentOptions, Content, Node, NodeOptions, handler};
///
/// let node = Node::start(NodeOptions::default()).await?;
/// let echo = handler(|_call, content: Content| async move { Ok(content) });
/// node.register(AgentOptions { name: "echo".into(), ..Default::default() }, echo).await?;
/// # Ok(())
/// # }
/// ```
pub fn handler<F, A>(function: F) -> Arc<dyn Handler>
where
    F: Fn(Call, Content) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Content>> + Send + 'static,
{
    Arc::new(Function(function))
}

struct Function<F>(F);

impl<F, A> Handler for Function<F>
where
    F: Fn(Call, Content) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Content>> + Send + 'static,
{
    fn handle(&self, inbound: Inbound) {
        let Inbound { call, content, .. } = inbound;
        let answer = (self.0)(call.clone(), content);
        tokio::spawn(async move {
            let answer = tokio::select! {
                // First: what was given up goes on no further, however ready it is.
                biased;
                _ = call.cancelled() => return,
                answer = answer => answer,
            };
            // The caller may be gone, or the handler may have ended the call by itself.
            let _ = match answer {
                Ok(content) => call.finish(content).await,
                Err(error) => call.fail(error).await,
            };
        });
    }
}
