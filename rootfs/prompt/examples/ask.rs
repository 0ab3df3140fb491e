//! Asks on this terminal, for the tests: the name of a way out, then goes it.

use std::process::ExitCode;

use vigie_prompt::{ENGLISH, Field, open, raw};

fn main() -> ExitCode {
    let mut prompter = open(false, &ENGLISH);
    let field = Field {
        label: "Way out",
        initial: "",
        optional: false,
        mend: true,
        check: &|_| Ok(()),
    };
    match prompter.line(&field) {
        Ok(vigie_prompt::Answer::Given(way)) if way == "panic" => panic!("as asked"),
        Ok(vigie_prompt::Answer::Given(way)) if way == "abort" => std::process::abort(),
        Ok(vigie_prompt::Answer::Given(way)) if way == "busy" => {
            let _whole = raw::Uninterrupted::begin();
            // The test tells the end.
            let _ = prompter.line(&Field {
                label: "Again",
                ..field
            });
            println!("done");
            ExitCode::SUCCESS
        }
        Ok(vigie_prompt::Answer::Given(way)) if way == "lend" => {
            drop(prompter);
            let lent = raw::Lent::begin();
            // It ends by the key, as the terminal would have it: both get the signal.
            let keys = "kill -INT $PPID; kill -QUIT $PPID; kill -INT $$";
            let ended = std::process::Command::new("sh").args(["-c", keys]).status();
            drop(lent);
            println!(
                "ended by itself: {}",
                ended.is_ok_and(|ended| ended.success())
            );
            ExitCode::SUCCESS
        }
        Ok(answer) => {
            drop(prompter);
            println!("{answer:?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(prompter);
            println!("{:?}", error.kind());
            ExitCode::FAILURE
        }
    }
}
