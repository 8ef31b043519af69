//! The query of a request's address, and forms: `name=value&…`, percent-encoded.

/// The value of the first parameter of this name.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(key, value)| (decoded(key), value)).find(|(key, _)| key == name).map(|(_, v)| decoded(v))
}

/// Text without its percent-encoding. What is no UTF-8 then is replaced.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        let hex = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        out.push(hex.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_and_decoded() {
        let query = "org=my+shop&precision=ms&q=CREATE%20DATABASE%20%22x%22&odd%3Dname=%zz%4&last";
        assert_eq!(parameter(query, "org").as_deref(), Some("my shop"));
        assert_eq!(parameter(query, "precision").as_deref(), Some("ms"));
        assert_eq!(parameter(query, "q").as_deref(), Some("CREATE DATABASE \"x\""));
        assert_eq!(parameter(query, "odd=name").as_deref(), Some("%zz%4"));
        assert_eq!(parameter(query, "last").as_deref(), Some(""));
        assert_eq!(parameter(query, "p"), None);
        assert_eq!(decoded("%ff%é"), "\u{fffd}%é");
    }
}
