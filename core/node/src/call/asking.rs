//! What a running call asks its caller: for input, or for a tool, and the answers that come back.

use super::content::Content;
use super::core::CallCore;
use super::question::Question;
use hubless_proto::error::Result;
use hubless_proto::{Error, Kind, limits};
use tokio::sync::{SemaphorePermit, oneshot};
use tokio::time::Instant;

impl CallCore {
    /// Asks the caller for something and waits for its answer.
    pub(crate) async fn ask(&self, question: Question) -> Result<Content> {
        let _room = match question {
            Question::Tool { .. } => Some(self.tool_room().await?),
            Question::Input { .. } => None,
        };
        let (sender, answer) = oneshot::channel();
        let (id, input) = self.open_question(&question, sender)?;
        let (event, bodies) = question.event(id);
        let asked = self.emit(event, bodies).await;
        let answer = match asked {
            Ok(()) => tokio::select! {
                answer = answer => answer.unwrap_or_else(|_| Err(self.over())),
                () = self.cancelled.cancelled() => Err(self.cancel_error()),
            },
            Err(error) => Err(error),
        };
        self.close_question(id, input);
        answer
    }

    async fn tool_room(&self) -> Result<SemaphorePermit<'_>> {
        tokio::select! {
            room = self.tools_at_once.acquire() => room.map_err(|_| self.over()),
            () = self.cancelled.cancelled() => Err(self.cancel_error()),
        }
    }

    fn open_question(
        &self,
        question: &Question,
        sender: oneshot::Sender<Result<Content>>,
    ) -> Result<(u64, bool)> {
        let mut state = self.state();
        if state.ended {
            return Err(self.over());
        }
        let input = matches!(question, Question::Input { .. });
        if input {
            state.inputs_open += 1;
        } else {
            if state.tool_calls >= limits::TOOL_CALLS {
                return Err(Error::refusal(Kind::TooLarge, "", "too many tool calls in one call")
                    .with_field("tools")
                    .with_limit("TOOL_CALLS", limits::TOOL_CALLS as u64));
            }
            state.tool_calls += 1;
        }
        state.next_id += 1;
        let id = state.next_id;
        state.waiting.insert(id, sender);
        Ok((id, input))
    }

    fn close_question(&self, id: u64, input: bool) {
        let mut state = self.state();
        state.waiting.remove(&id);
        state.last_event = Some(Instant::now());
        if input {
            state.inputs_open = state.inputs_open.saturating_sub(1);
        }
    }

    /// Takes the caller's answer in; an unknown id is ignored.
    pub(crate) fn answered(&self, id: u64, answer: Result<Content>) {
        let waiting = self.state().waiting.remove(&id);
        if let Some(waiting) = waiting {
            // Whoever asked may have been cancelled meanwhile.
            let _ = waiting.send(answer);
        }
    }
}
