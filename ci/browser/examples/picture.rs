//! A picture of a page, for the documentation: `picture SET URL WIDTH FILE`, where SET is the folder of the
//! unpacked packages of the set `browser`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use test_browser::{Browser, Person};

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().context("picture SET URL WIDTH FILE");
    let (set, url, width, file) = (word()?, word()?, word()?, PathBuf::from(word()?));
    let person = Person {
        languages: "en",
        scripts: true,
    };
    let log = file.with_extension("log");
    let browser = Browser::start(&PathBuf::from(set), person, &log)?;
    browser.resize(width.parse().context("the width")?, 600)?;
    browser.open(&url)?;
    browser.picture(&file)
}
