//! The checks before a handler runs, in their one order; the first failure answers and nothing
//! later is computed.
//!
//! | stage | function | what it refuses |
//! |---|---|---|
//! | 1 | `limits` | what no request may be |
//! | 2 | `admission`, `return_verdict`, `rate` | callers that may not ask, or not so often |
//! | 3 | `auth_plan`, then `auth_verdict` | callers that do not prove themselves |
//! | 4 | `deadline`, then `grant` | what there is no time or no means for |
//! | 5–10 | `content` | size, content types, form, schemas, context, duplication |
//! | 11 | `token_plan`, then `tokens` | more text than the model takes |
//! | 12 | the slots of the registry | what finds no room |
//!
//! Between two stages a foreign function may have to answer (returns, auth, counting), so the
//! driver walks through them; each stage alone is pure.

mod admission;
mod auth;
mod content;
mod forms;
mod grant;
mod size;
mod tokens;

pub use admission::{admission, data_policy, limits, rate, return_to, return_verdict};
pub use auth::{AuthPlan, auth_plan, auth_verdict};
pub use content::{content, deadline};
pub use grant::{grant, grant_brought, grant_missing};
pub use size::{Meter, Sizes};
pub use tokens::{TokenPlan, token_plan, tokens};
