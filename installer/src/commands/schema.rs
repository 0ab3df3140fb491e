//! `vigie-install schema`

use std::process::ExitCode;

use anyhow::Result;
use vigie_installer::schema::SCHEMA;

pub fn schema() -> Result<ExitCode> {
    print!("{SCHEMA}");
    Ok(ExitCode::SUCCESS)
}
