//! Requests that are not the broker's: those to the updater, and those that this service answers itself. The broker
//! says whose session it is before anything is done.

use axum::response::Response;
use serde_json::{Value, json};

use super::Told;
use crate::admin::{Admin, certificate, help};
use crate::api_requests::{Request, Service};
use crate::api_updates::JobState;
use crate::broker::{Speaker, User};
use crate::failure::Failure;
use crate::job::Job;
use crate::language::Language;
use crate::server::Client;
use crate::updater::of_session;
use crate::words::frame::FrameWords;
use crate::words::upkeep::UpkeepWords;

/// Whoever speaks, where their role is enough.
///
/// # Errors
/// The session is over, the role is not enough, or the broker does not say.
async fn known(admin: &Admin, speaker: Speaker<'_>, request: &Request) -> Result<User, Failure> {
    let user = admin.broker.user(speaker).await?;
    let user = user.ok_or_else(|| {
        Failure::coded(
            "session",
            "nobody is logged in, or no longer; log in again",
            "personne n’est connecté, ou plus ; reconnectez-vous",
        )
    })?;
    if user.role >= request.role {
        return Ok(user);
    }
    let [en, fr] = [Language::En, Language::Fr].map(|language| {
        let w = FrameWords::of(language);
        w.needs.replace("{role}", request.role.named(w))
    });
    Err(Failure::coded("role", &en, &fr))
}

/// Does what a request asks, and tells what there is to tell.
///
/// # Errors
/// It is refused, or has failed.
pub async fn answer(
    admin: &Admin,
    client: &Client,
    token: &str,
    (request, ask): (&Request, &Value),
) -> Result<Response, Failure> {
    let speaker = Speaker::of(token, client.address);
    let user = known(admin, speaker, request).await?;
    let who = format!("{} ({})", user.name, client.address);
    let mut told = Told::default();
    match request.to {
        Service::Bundle => return help::bundled(admin, speaker, client).await,
        Service::Certificate => {
            for event in certified(admin, (&who, speaker), ask).await? {
                told.add(event);
            }
        }
        Service::Jobs => {
            if request.verb == "apply" {
                let request = json!({"verb": "apply", "id": ask["id"], "who": who});
                admin
                    .jobs
                    .begin(admin.updater.clone(), of_session(request, token));
            }
            told.add(job(admin.jobs.last().as_ref()));
        }
        Service::Updater | Service::Broker => {
            let mut request = json!({"verb": request.verb});
            if request["verb"] == "rollback" {
                request["who"] = who.into();
                request = of_session(request, token);
            }
            admin.updater.ask(&request, |event| told.add(event)).await?;
        }
    }
    told.whole()
}

/// How an installation is, as it is told.
fn job(job: Option<&Job>) -> Value {
    let failure = job.and_then(Job::failure);
    let text = |language| failure.map(|why| why.text(language).to_owned());
    let state = job.map_or_else(JobState::default, |job| JobState {
        running: job.is_running(),
        percent: Some(job.percent()),
        installed: (!job.is_running()).then_some(failure.is_none()),
        reason: text(Language::En),
        reason_fr: text(Language::Fr),
    });
    let mut told = json!(state);
    told["event"] = "job".into();
    told
}

/// The certificate, after what is asked was done with it.
async fn certified(
    admin: &Admin,
    (who, speaker): (&str, Speaker<'_>),
    ask: &Value,
) -> Result<Vec<Value>, Failure> {
    let text = |name: &str| ask[name].as_str().unwrap_or_default().as_bytes();
    let done = match ask["verb"].as_str() {
        Some("certificate-install") => {
            let installed = admin.certificate.install(text("chain"), text("key"));
            installed.map_err(|why| unfit(&why))?;
            Some("installed")
        }
        Some("certificate-remove") => {
            admin.certificate.self_made().map_err(|error| {
                eprintln!("vigie-web: going back to the certificate of its own: {error:#}");
                let [en, fr] = [Language::En, Language::Fr].map(UpkeepWords::of);
                Failure::machine(en.not_kept, fr.not_kept)
            })?;
            Some("removed")
        }
        _ => None,
    };
    let mut told = match done {
        Some(done) => certificate::noted(admin, who, speaker, done).await?,
        None => Vec::new(),
    };
    told.push(json!({
        "event": "certificate", "own": admin.certificate.is_own(), "print": admin.certificate.print(),
    }));
    Ok(told)
}

fn unfit(why: &crate::tls::Unfit) -> Failure {
    let [en, fr] = [Language::En, Language::Fr].map(|language| {
        let (_, words) = certificate::said(UpkeepWords::of(language), why);
        words
    });
    match why {
        crate::tls::Unfit::Kept(_) => Failure::machine(en, fr),
        _ => Failure::coded("certificate", en, fr),
    }
}
