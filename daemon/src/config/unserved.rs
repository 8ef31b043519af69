//! What this release accepts but does not act on yet, told as warnings: one place to shorten.

use super::written::Section;

const LATER: &str = "the configuration is valid and will take effect with a later release";

/// Sections that are checked and then left alone.
const SECTIONS: [(&str, &str); 1] =
    [("calendar", "the calendar is not applied yet: alarms on these days are judged like any other day's")];

/// Warns of the sections of the whole file that nothing acts on.
pub(super) fn warn_sections(root: &Section<'_>) {
    for (key, message) in SECTIONS {
        if let Some(item) = root.get(key) {
            root.findings.warning(&item.key_span, message, LATER);
        }
    }
}
