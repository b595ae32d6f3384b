//! Asking agents.

use super::lifecycle::Node;
use super::request::{AgentRequest, Reply, RequestOptions, Response};
use super::stream::CallStream;
use hubless_proto::error::{Error, Result};

impl Node {
    /// Asks an agent and gives its whole answer.
    ///
    /// # Errors
    /// What refused it or went wrong; refusals have `rejection` set.
    ///
    /// # Cancellation
    /// Dropping the future cancels the call, its handler included.
    pub async fn request(&self, options: RequestOptions) -> Result<Reply> {
        let _ = options;
        Err(Error::new(hubless_proto::Kind::Unsupported, "not built"))
    }

    /// Asks an agent; a refusal is part of the answer.
    ///
    /// # Errors
    /// What went wrong, refusals apart.
    ///
    /// # Cancellation
    /// As [`Node::request`].
    pub async fn send(&self, options: RequestOptions) -> Result<Response> {
        match self.request(options).await {
            Ok(reply) => {
                let usage = reply.usage.clone();
                Ok(Response { output: Some(reply), rejection: None, usage })
            }
            Err(error) if error.rejection => Ok(Response {
                output: None,
                rejection: Some(error),
                usage: hubless_proto::wire::v1::Usage::default(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Asks an agent in the short form.
    ///
    /// # Errors
    /// As [`Node::send`].
    pub async fn send_short(&self, request: AgentRequest) -> Result<Response> {
        self.send(request.into()).await
    }

    /// Asks an agent and gives its answer as it comes; dropping the stream cancels the call.
    ///
    /// # Errors
    /// Only `closed`; everything else comes through the stream.
    pub fn stream(&self, options: RequestOptions) -> Result<CallStream> {
        let _ = options;
        Err(Error::new(hubless_proto::Kind::Unsupported, "not built"))
    }
}
