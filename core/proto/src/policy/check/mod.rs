//! The checks before a handler runs, in their one order; the first failure answers and nothing
//! later is computed.
//!
//! 1. `limits` what no request may be · 2. `admission` may this caller ask at all, then `rate`
//! 3. `auth_plan` does it prove itself · 4.–10. `content`: deadline and grant, size, content types,
//! converse form, schemas, context, duplication · 11. `token_plan`, then `tokens` · 12. the slots
//! of the registry. Between two stages a foreign function may have to answer (auth, counting), so
//! the driver walks through them; each stage alone is pure.

mod admission;
mod auth;
mod content;
mod forms;
mod size;
mod tokens;

#[cfg(test)]
mod tests;

pub use admission::{admission, limits, rate};
pub use auth::{AuthPlan, auth_plan, auth_verdict};
pub use content::content;
pub use size::{Meter, Sizes};
pub use tokens::{TokenPlan, token_plan, tokens};
