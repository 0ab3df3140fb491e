//! A broker to try the web interface with on one's own machine: `serve FOLDER` makes a system there, with the
//! administrator anne, whose password is the second argument, and answers until standard input ends.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use test_broker::{Broker, Role, Settings, user};

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().context("serve FOLDER PASSWORD");
    let (folder, password) = (PathBuf::from(word()?), word()?);
    let settings = Settings {
        users: vec![user("anne", Role::Administrator, &password)?],
        ..Settings::default()
    };
    let broker = Broker::start(&folder, &settings)?;
    println!("vigie-web --broker {} …", broker.for_web().display());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
