//! DogStatsD events, which are marks, and tags one by one.

use super::super::control::Draft;
use super::super::time;

/// The tags of `key:value,other:value,bare`; a bare one has the value `""`.
pub(super) fn tags(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let present = text.split(',').filter(|tag| !tag.is_empty());
    present.map(|tag| tag.split_once(':').unwrap_or((tag, "")))
}

/// `_e{5,4}:title|text|d:1656581400|#tag:value`: lengths in bytes. The title is what was changed; the
/// tags `kind` and `id` name the mark, the others with a value are its scope.
pub(super) fn mark(line: &str) -> Option<Draft> {
    let (lengths, rest) = line.strip_prefix("_e{")?.split_once("}:")?;
    let (title_len, text_len) = lengths.split_once(',')?;
    let (title_len, text_len): (usize, usize) = (title_len.parse().ok()?, text_len.parse().ok()?);
    let (title, rest) = rest.split_at_checked(title_len)?;
    let (_text, sections) = rest.strip_prefix('|')?.split_at_checked(text_len)?;
    let mut draft = Draft { control: "mark".to_owned(), ..Draft::default() };
    draft.keys.insert("what".to_owned(), title.replace("\\n", "\n"));
    if sections.is_empty() {
        return Some(draft);
    }
    for section in sections.strip_prefix('|')?.split('|') {
        if let Some(stamp) = section.strip_prefix("d:") {
            draft.at = Some(time::from_number(stamp)?);
        } else if let Some(text) = section.strip_prefix('#') {
            tags(text).for_each(|(key, value)| mark_tag(&mut draft, key, value));
        }
    }
    Some(draft)
}

fn mark_tag(draft: &mut Draft, key: &str, value: &str) {
    let map = if matches!(key, "kind" | "id") { &mut draft.keys } else { &mut draft.scope };
    if !value.is_empty() {
        map.insert(key.to_owned(), value.to_owned());
    }
}
