//! Who may write: `Authorization: Token …`, `Bearer …` or `Basic …`, or InfluxDB 1's `u` and `p` in the address.
//! The user's name says nothing; the password is the token.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::query;
use crate::config::Token;

/// Whether a request presents the token.
pub(super) fn is_presented(token: &Token, headers: &HeaderMap, query: &str) -> bool {
    match headers.get(AUTHORIZATION) {
        Some(value) => by_header(token, value.as_bytes()),
        None => query::parameter(query, "p").is_some_and(|word| token.is(word.as_bytes())),
    }
}

fn by_header(token: &Token, value: &[u8]) -> bool {
    let Some(space) = value.iter().position(|byte| *byte == b' ') else { return false };
    let (scheme, word) = (value[..space].to_ascii_lowercase(), value[space..].trim_ascii());
    match scheme.as_slice() {
        // InfluxDB 1.8 takes `Token user:password`, too.
        b"token" => token.is(word) || token.is(password(word)),
        b"bearer" => token.is(word),
        b"basic" => from_base64(word).is_some_and(|both| token.is(password(&both))),
        _ => false,
    }
}

/// What stands behind the user's name.
fn password(both: &[u8]) -> &[u8] {
    both.iter().position(|byte| *byte == b':').map_or(&[][..], |at| &both[at + 1..])
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let (mut out, mut bits, mut held) = (Vec::with_capacity(digits.len()), 0_u32, 0);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(header: Option<&str>, query: &str) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        is_presented(&Token::new("s3cret~t:ken"), &headers, query)
    }

    #[test]
    fn every_client_has_its_way_to_say_it() {
        for header in [
            "Token s3cret~t:ken",
            "token  s3cret~t:ken",
            "Bearer s3cret~t:ken",
            "Token shop:s3cret~t:ken",
            // "telegraf:s3cret~t:ken"
            "Basic dGVsZWdyYWY6czNjcmV0fnQ6a2Vu",
        ] {
            assert!(may(Some(header), ""), "{header}");
        }
        assert!(may(None, "db=x&u=any&p=s3cret%7Et%3Aken"));
    }

    #[test]
    fn whoever_says_anything_else_may_not() {
        for header in [
            "",
            "Token",
            "Token ",
            "Token s3cret",
            "Token s3cret~t:kenn",
            "Basic s3cret~t:ken",
            "Basic ====",
            "Digest s3cret~t:ken",
            "s3cret~t:ken",
            "Basic czNjcmV0fnQ6a2Vu",
        ] {
            assert!(!may(Some(header), "p=s3cret%7Et%3Aken"), "{header}");
        }
        assert!(!may(None, "") && !may(None, "p=") && !may(None, "p=s3cret") && !may(None, "u=s3cret~t:ken"));
    }

    #[test]
    fn base64_is_read_with_and_without_its_end() {
        let texts = [("", ""), ("Zg==", "f"), ("Zg", "f"), ("Zm8=", "fo"), ("Zm9vYmFy", "foobar")];
        for (text, want) in texts {
            assert_eq!(from_base64(text.as_bytes()).unwrap(), want.as_bytes());
        }
        assert_eq!(from_base64(b"Z*=="), None);
    }
}
