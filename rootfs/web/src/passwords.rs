//! New passwords as they come from a form. The broker has the last word; this one is only quicker.

use crate::admin::who::Fields;
use crate::words::login::LoginWords;

/// Shortest, in characters; the broker has the same rule.
const SHORTEST: usize = 8;

/// The password that was typed twice.
///
/// # Errors
/// Why it is none, in words.
pub fn chosen<'a>(fields: &'a Fields, w: &LoginWords) -> Result<&'a str, &'static str> {
    let password = fields.one("password");
    if password != fields.one("again") {
        return Err(w.not_the_same);
    }
    if password.chars().count() < SHORTEST {
        return Err(w.too_short);
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    #[test]
    fn which_ones_are_taken() {
        let w = LoginWords::of(Language::En);
        for (password, again, expected) in [
            ("éléphant", "éléphant", Ok("éléphant")),
            ("éléphan", "éléphan", Err(w.too_short)),
            ("éléphant", "elephant", Err(w.not_the_same)),
            ("", "", Err(w.too_short)),
        ] {
            let pairs = [("password", password), ("again", again)];
            let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let fields = Fields(pairs.to_vec());
            assert_eq!(chosen(&fields, w), expected, "{password}");
        }
    }
}
