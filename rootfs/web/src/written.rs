//! Pieces of pages that are written by functions, and of what services tell. Pure.

use std::fmt::Write as _;

use serde_json::Value;

use crate::language::Language;
use crate::page::escape;

/// Something that is wrong.
pub fn warning(body: &mut String, text: &str) {
    let _ = writeln!(
        body,
        "<p class=\"verdict degraded\" role=\"alert\">{}</p>",
        escape(text)
    );
}

/// Something that went well.
pub fn good(body: &mut String, text: &str) {
    let _ = writeln!(
        body,
        "<p class=\"verdict ok\" role=\"status\">{}</p>",
        escape(text)
    );
}

/// A text that was told; empty where there is none.
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A reason in a language, as far as it is known in it.
pub fn localized(value: &Value, language: Language) -> &str {
    match language {
        Language::En => text(value, "reason"),
        // What a version before wrote into the history has no French.
        Language::Fr => match text(value, "reason_fr") {
            "" => text(value, "reason"),
            french => french,
        },
    }
}

/// Seconds since 1970 as a date; the time zone is nowhere that this service reads.
pub fn date(seconds: i64) -> String {
    let Ok(time) = time::OffsetDateTime::from_unix_timestamp(seconds) else {
        return String::new();
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02} UTC",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(1_700_000_000), "2023-11-14 22:13 UTC");
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(i64::MAX), "");
    }
}
