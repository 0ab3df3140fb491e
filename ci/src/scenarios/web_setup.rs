//! The web interface of a real appliance in a real browser, from the code on its console on: the first
//! administrator, log-ins, a viewer who may change nothing, and all that `web_upkeep.rs` has.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::unattended::PASSWORD;
use super::update::Appliance;
use super::web_desk::{Desk, PAGE};
use super::{HTTPS, scenario, web_upkeep};
use crate::context::Context;
use crate::step::Step;
use crate::vm::Vm;
use crate::vm::console::Pattern;
use crate::vm::dialog::{Dialog, keys};

/// The first administrator, and her password.
pub(super) const ANNE: (&str, &str) = ("anne", "trois lamas bruns");
/// A viewer, and his.
pub(super) const VICTOR: (&str, &str) = ("victor", "quatre lamas gris");
const WRONG: &str = "cinq lamas verts";
/// As the console shows the code of the first setup.
const CODE: &str = "with the code ([A-Z2-9]{4}-[A-Z2-9]{4})";

pub(super) fn step() -> Step {
    scenario(
        "web-setup",
        "in Chromium the appliance's first administrator is made with the code of its console, and administrates; a viewer changes nothing",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let appliance = Appliance::boot(ctx)?;
    let vm = &appliance.up.vm;
    let code = appliance.up.blame(code_of_the_console(vm))?;
    let desk = Desk::at(ctx, format!("https://127.0.0.1:{}", vm.host_port(HTTPS)?))?;
    let all = || -> Result<()> {
        is_set_up(&desk, &code)?;
        the_code_is_spent(&desk, &code)?;
        who_is_let_in(&desk)?;
        ctx.note("set up with the console's code");
        has_a_viewer(&desk)?;
        web_upkeep::looks_around(&desk)?;
        ctx.note(web_upkeep::comes_back_by_a_backup(&desk, &appliance)?);
        ctx.note(web_upkeep::no_secret_is_in_the_bundle(&desk, &appliance)?);
        web_upkeep::has_a_certificate_of_its_own(&desk, &appliance)?;
        web_upkeep::is_told_by_the_trail(&desk)?;
        ctx.note(changes_nothing(&desk, &appliance)?);
        desk.console_has_only(&[
            "status of 401",
            "status of 403",
            "status of 422",
            // A backup's password is nobody's.
            "/backup - [DOM] Password forms should have",
            "/backup/restore - [DOM] Password forms should have",
        ])
    };
    appliance.up.blame(all())?;
    vm.kill()
}

/// The code is told to whoever has logged in at the console, and to nobody before.
fn code_of_the_console(vm: &Vm) -> Result<String> {
    let code = Pattern::regex(CODE)?;
    let mut person = Dialog::from_the_beginning(vm, PAGE);
    person.expect("the code for it is in the menu")?;
    ensure!(
        !vm.lines().iter().any(|line| code.is_in(&line.text)),
        "the console shows the code to anybody"
    );
    person.answer("Number, or Enter to refresh:", "4")?;
    // The name of root stands there already.
    person.answer(Pattern::regex("^Name.*: root$")?, "")?;
    person.answer(Pattern::regex("^Password.*: ?$")?, PASSWORD)?;
    let line = person.expect(code)?;
    vm.screenshot("menu")?;
    let ends = [Pattern::from("goes back"), Pattern::from("Enter to go on")];
    while person.expect_any(&ends)? == 1 {
        person.press(keys::ENTER)?;
    }
    person.press("7\r")?;
    person.expect("Number, or Enter to refresh:")?;
    let code = line.text.split_whitespace().last();
    code.map(str::to_owned).context("no code in the line")
}

/// From the open page to the first administrator; a wrong code makes nobody one.
fn is_set_up(desk: &Desk, code: &str) -> Result<()> {
    desk.opens("/")?;
    desk.sees(".verdict.ok", "Everything works")?;
    desk.looks("anybody")?;
    desk.presses(".corner a[href='/login']")?;
    desk.sees("main", "Nobody administrates this appliance yet")?;
    desk.looks("login-open")?;
    desk.presses("main a[href='/setup']")?;
    desk.sees("h2", "First setup")?;
    desk.looks("setup")?;
    tries_to_set_up(desk, "AAAA-AAAA")?;
    desk.sees("[role=alert]", "code is wrong")?;
    desk.looks("setup-wrong-code")?;
    tries_to_set_up(desk, code)?;
    desk.sees(".corner a[href='/account']", ANNE.0)?;
    desk.sees("nav", "Settings")?;
    desk.looks("status")
}

fn tries_to_set_up(desk: &Desk, code: &str) -> Result<()> {
    desk.writes("#code", code)?;
    desk.writes("#user", ANNE.0)?;
    desk.writes("#password", ANNE.1)?;
    desk.writes("#password-again", ANNE.1)?;
    desk.presses("main button")
}

/// Neither the page nor its request take the code a second time, nor root's password from now on.
fn the_code_is_spent(desk: &Desk, code: &str) -> Result<()> {
    desk.logs_out()?;
    desk.opens("/setup")?;
    desk.sees("h2", "Log in")?;
    let form = json!({
        "code": code, "user": "eve", "password": VICTOR.1, "again": VICTOR.1,
        "csrf": desk.reads("[name=csrf]")?,
    });
    let (status, page) = sends(desk, "/setup", &form)?;
    ensure!(
        status == 401 && page.contains("has an administrator already"),
        "the code again: {status} {page}"
    );
    desk.opens("/login")?;
    desk.tries_to_log_in("root", PASSWORD)?;
    desk.sees("[role=alert]", "wrong").map(drop)
}

/// Whether the name or the password was wrong is not told.
fn who_is_let_in(desk: &Desk) -> Result<()> {
    let mut told = Vec::new();
    for user in ["nobody", ANNE.0] {
        desk.opens("/login")?;
        desk.tries_to_log_in(user, WRONG)?;
        told.push(desk.sees("[role=alert]", "wrong")?);
    }
    desk.looks("login-wrong")?;
    ensure!(
        told[0] == told[1],
        "log-ins of nobody and of {}: {told:?}",
        ANNE.0
    );
    desk.logs_in(ANNE.0, ANNE.1)
}

fn has_a_viewer(desk: &Desk) -> Result<()> {
    desk.opens("/users")?;
    desk.writes("#name", VICTOR.0)?;
    desk.presses("#role option[value=viewer]")?;
    desk.writes("#password", VICTOR.1)?;
    desk.writes("#password-again", VICTOR.1)?;
    desk.looks("users-adding")?;
    desk.presses("[action='/users/add'] button")?;
    desk.sees(".verdict.ok", "Saved")?;
    desk.sees("main li", VICTOR.0)?;
    desk.looks("users")
}

/// The pages and the requests that a viewer has nothing to do with; the fields would change something.
const NOT_HIS: [&str; 9] = [
    "/settings",
    "/settings/history",
    "/settings/certificate",
    "/settings/trial",
    "/logs",
    "/users",
    "/update",
    "/backup",
    "/power",
];
const NOR_HIS: [&str; 19] = [
    "/settings",
    "/settings/check",
    "/settings/confirm",
    "/settings/revert",
    "/settings/restore",
    "/settings/certificate",
    "/settings/certificate/self-made",
    "/users/add",
    "/users/change",
    "/users/remove",
    "/users/account",
    "/update/install",
    "/update/restart",
    "/backup/make",
    "/backup/restore",
    "/power/restart",
    "/power/off",
    "/power/check",
    "/help/bundle",
];

/// A viewer sees the status and the help, and is refused everything else, by pages, forms and programs.
fn changes_nothing(desk: &Desk, appliance: &Appliance<'_>) -> Result<String> {
    let before = appliance.says("vigie-settings show; cat /proc/sys/kernel/random/boot_id")?;
    desk.logs_out()?;
    desk.logs_in(VICTOR.0, VICTOR.1)?;
    let ways = desk.script("return document.querySelector('nav').innerText")?;
    let ways: Vec<&str> = ways
        .as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    ensure!(ways == ["Status", "Help"], "a viewer is shown {ways:?}");
    desk.opens("/help")?;
    desk.looks("viewer-help")?;
    for path in NOT_HIS {
        desk.opens(path)?;
        desk.sees("[role=alert]", "This takes the role")?;
    }
    desk.looks("viewer-refused")?;
    for path in NOR_HIS {
        let form = json!({
            "csrf": desk.reads("[name=csrf]")?, "sure": "on", "on": "on", "name": "eve", "role": "administrator",
            "password": WRONG, "again": WRONG, "section": "registration", "registration.site": "x",
            "generation": "1", "account": "root", "own": VICTOR.1,
        });
        let (status, page) = sends(desk, path, &form)?;
        ensure!(
            status == 403 && page.contains("This takes the role"),
            "{path}: {status} {page}"
        );
    }
    let told = by_a_program(desk)?;
    ensure!(
        told == json!([200, 403, 403, 403]),
        "a viewer's program: {told}"
    );
    let after = appliance.says("vigie-settings show; cat /proc/sys/kernel/random/boot_id")?;
    ensure!(before == after, "a viewer changed {before} into {after}");
    Ok(format!(
        "a viewer is refused {} requests",
        NOR_HIS.len() + 3
    ))
}

/// What his program is answered: to its log-in, and to what changes something.
fn by_a_program(desk: &Desk) -> Result<Value> {
    let log_in = json!({"user": VICTOR.0, "password": VICTOR.1});
    let user = json!({"name": "eve", "role": "administrator", "password": WRONG});
    let change = json!({"changes": [{"path": "registration.site", "value": "x"}]});
    desk.script(&format!(
        "const all = {{credentials: 'omit', headers: {{'Content-Type': 'application/json'}}}};\n\
         const ask = (method, path, body) => \
         fetch('/api/v1/' + path, {{...all, method, body: JSON.stringify(body)}});\n\
         const begun = await ask('POST', 'session', {log_in});\n\
         all.headers.Authorization = 'Bearer ' + (await begun.json()).token;\n\
         const told = [begun.status];\n\
         for (const [method, path, body] of [['PATCH', 'settings', {change}], ['POST', 'users', {user}], \
         ['POST', 'restart', {{}}]]) told.push((await ask(method, path, body)).status);\n\
         return told;"
    ))
}

/// Sends a form as a page of ours could; the status, and what came.
fn sends(desk: &Desk, path: &str, form: &Value) -> Result<(u64, String)> {
    let script = format!(
        "const answer = await fetch({}, {{method: 'POST', body: new URLSearchParams({form})}});\n\
         return [answer.status, await answer.text()];",
        json!(path)
    );
    let told = desk.script(&script)?;
    let status = told[0].as_u64().context("no status")?;
    Ok((status, told[1].as_str().unwrap_or_default().to_owned()))
}
