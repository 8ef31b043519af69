//! What the tests of reliability did, for docs/reliability.md.
//!
//! In: figures. Out: notes in target/reliability, one each. Must not know: what they mean.

use std::path::Path;

/// Notes `figure` of `what`, by `part`.
pub(crate) fn result(what: &str, part: &str, figure: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/reliability");
    let note = serde_json::json!({ "what": what, "part": part, "figure": figure });
    let file = format!("{what}-{part}.json").replace(' ', "-");
    let written =
        std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(dir.join(file), note.to_string()));
    written.expect("the target directory can be written to");
}
