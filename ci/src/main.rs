//! See README.md.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use ci::args::{Args, Choice};
use ci::context::Shared;
use ci::{bench, runner, step};

/// Something failed; wrong use is 2, which is also what clap exits with.
const FAILED: u8 = 1;
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cargo ci: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(args: &Args) -> Result<ExitCode> {
    let steps = step::all();
    let choice = args.choice();
    if choice == Choice::List {
        print!("{}", step::list(&steps));
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = match step::choose(&steps, &choice) {
        Ok(chosen) => chosen,
        Err(error) => {
            eprintln!("cargo ci: {error:#}");
            return Ok(ExitCode::from(WRONG_USE));
        }
    };
    let shared = Shared::find()?;
    let results = runner::run(&chosen, &shared, args.jobs);
    if let (Choice::Bench(groups), 0) = (&choice, results.failed()) {
        println!("{}", bench::run(&shared, groups)?);
    }
    println!("{results}");
    Ok(match results.failed() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    })
}
