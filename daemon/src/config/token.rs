//! The token that writers over HTTP must present: read from its file, never shown.
//!
//! In: what `token_file` says, where the service manager keeps credentials. Out: the token, or what is wrong
//! with its file.

use std::fmt;
use std::fs;
use std::hint::black_box;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::authorities::authorities_of;
use super::written::Item;

/// Where the service manager puts credentials (`LoadCredential=`).
const VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// Longest token in bytes.
const LONGEST: u64 = 4096;
/// Others, and a group that is not the daemon's alone, may read it.
const OTHERS: u32 = 0o007;

/// Whether files that the configuration names are read while it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// They are not: it is not for use.
    #[default]
    Unread,
    /// They are. Relative names are looked for in this directory first, if there is one.
    Read(Option<PathBuf>),
}

/// A word that is compared and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<[u8]>);

impl Token {
    /// The token, white space around it cut off.
    pub fn new(text: &str) -> Token {
        Token(text.trim().as_bytes().into())
    }

    /// Whether `word` is the token. How long it takes says nothing but its length.
    pub fn is(&self, word: &[u8]) -> bool {
        let differing = self.0.iter().zip(word).fold(0, |all, (own, other)| black_box(all | (own ^ other)));
        word.len() == self.0.len() && differing == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Secrets {
    /// Read, with the service manager's directory if there is one.
    pub fn here() -> Secrets {
        Secrets::Read(std::env::var_os(VARIABLE).filter(|dir| !dir.is_empty()).map(PathBuf::from))
    }

    /// Whether there are certificate authorities in `file`, if that is looked at.
    ///
    /// # Errors
    /// There are none.
    pub(super) fn authorities(&self, file: &Path) -> Result<(), String> {
        match self {
            Secrets::Unread => Ok(()),
            Secrets::Read(_) => authorities_of(file).map(drop),
        }
    }

    /// Reads the token that `item` names, or tells what is wrong with its file. A relative name that is not
    /// there may be a credential, which only the service has: that is a warning.
    pub(super) fn token(&self, item: &Item<'_>, path: &Path) -> Option<Token> {
        let Secrets::Read(directory) = self else { return None };
        let place = match directory {
            Some(directory) => directory.join(path),
            None => path.to_path_buf(),
        };
        let is_absent = path.is_relative() && directory.is_none() && !place.exists();
        match read(&place) {
            Ok(text) if text.trim().is_empty() => {
                item.error(format!("{} is empty", place.display()), "put a long random word into it");
                None
            }
            Ok(text) => {
                warn_of_readers(item, &place);
                Some(Token::new(&text))
            }
            Err(reason) if is_absent => {
                let hint = "the service finds it if its unit has LoadCredential= of this name";
                item.findings.warning(&item.span, format!("{}: {reason}", place.display()), hint);
                None
            }
            Err(reason) => {
                let hint =
                    "ebbd's user must be able to read it; it holds the token that writers must present";
                item.error(format!("{}: {reason}", place.display()), hint);
                None
            }
        }
    }
}

fn read(place: &Path) -> Result<String, String> {
    let about = fs::metadata(place).map_err(|error| error.to_string())?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(format!("it is no file of at most {LONGEST} bytes"));
    }
    fs::read_to_string(place).map_err(|error| error.to_string())
}

fn warn_of_readers(item: &Item<'_>, place: &Path) {
    if fs::metadata(place).is_ok_and(|about| about.mode() & OTHERS != 0) {
        let message = format!("everybody on this host may read {}", place.display());
        item.findings.warning(&item.span, message, format!("chmod 0640 {}", place.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_whole_word_and_is_not_shown() {
        let token = Token::new("  s3cret\n");
        assert!(token.is(b"s3cret"));
        for wrong in [&b""[..], b"s3cre", b"s3cret ", b"S3cret", b"s3crets3cret"] {
            assert!(!token.is(wrong));
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
