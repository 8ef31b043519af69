//! `{"request":"sources_list"}`, `{"request":"sources_expect","name":"web-03"}`, `sources_forget`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ControlHandler, Refusal, value_of};

/// Longest name of a source or origin, in bytes.
const NAME_BYTES: usize = 256;

/// A source or origin by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedSource {
    /// Its name.
    pub name: String,
}

impl NamedSource {
    fn checked(&self) -> Result<&str, Refusal> {
        let name = self.name.as_str();
        let fits = !name.is_empty() && name.len() <= NAME_BYTES && !name.chars().any(char::is_control);
        fits.then_some(name).ok_or_else(|| Refusal(format!("{name:?} can't be a source's name")))
    }
}

pub(super) fn list(handler: &dyn ControlHandler) -> Result<Value, Refusal> {
    Ok(value_of(&handler.status().sources))
}

pub(super) fn expect(handler: &dyn ControlHandler, named: &NamedSource) -> Result<Value, Refusal> {
    handler.sources_expect(named.checked()?)?;
    Ok(json!({"expected": named.name}))
}

pub(super) fn forget(handler: &dyn ControlHandler, named: &NamedSource) -> Result<Value, Refusal> {
    handler.sources_forget(named.checked()?)?;
    Ok(json!({"forgotten": named.name}))
}
