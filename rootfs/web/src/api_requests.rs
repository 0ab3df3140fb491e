//! Which request to the interface for administration is which verb of which service, from which role on. The
//! OpenAPI document is made of this table.

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api_answers as answers;
use crate::api_types::{
    Changes, Generation, Last, Lines, NewUser, Nothing, OnOff, OwnPassword, Restore, Sealed, Set,
    UserChange,
};
use crate::api_updates as updates;
use crate::broker::Role;

/// How a request is read: checked against its type, and given back as the broker takes it.
type Read = fn(Value) -> Result<Value, String>;
type Schema = fn(&mut SchemaGenerator) -> schemars::Schema;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The broker, which judges the role, too.
    Broker,
    /// The updater.
    Updater,
    /// Ourselves: installations that were asked for here.
    Jobs,
    /// Ourselves: our certificate.
    Certificate,
    /// The broker, whose answer becomes a file.
    Bundle,
}

/// One request.
pub struct Request {
    pub method: &'static str,
    /// With `{name}` where that goes along.
    pub path: &'static str,
    /// What the service is asked.
    pub verb: &'static str,
    pub to: Service,
    pub role: Role,
    pub about: &'static str,
    pub read: Read,
    /// Its answer may be large.
    pub is_large: bool,
    /// Of what it takes.
    pub schema: Schema,
    /// Of each event of the answer.
    pub answer: Schema,
}

fn read<T: for<'a> Deserialize<'a> + Serialize>(value: Value) -> Result<Value, String> {
    // Fields without their names would be taken, too.
    if !value.is_object() {
        return Err("it is no object".to_owned());
    }
    let typed: T = serde_json::from_value(whole(value)).map_err(|error| error.to_string())?;
    serde_json::to_value(typed).map_err(|error| error.to_string())
}

/// JSON has one kind of numbers: 7.0 is as whole as 7, up to where each whole number is one.
fn whole(value: Value) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if !(number.is_u64() || number.is_i64()) => {
            let whole = number
                .as_f64()
                .filter(|n| n.fract() == 0.0 && n.abs() <= EXACT);
            whole.map_or(Value::Number(number), |whole| json!(whole as i64))
        }
        Value::Array(all) => all.into_iter().map(whole).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            Value::Object(fields.map(|(name, value)| (name, whole(value))).collect())
        }
        other => other,
    }
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<T>()
}

const fn request<T: for<'a> Deserialize<'a> + Serialize + JsonSchema, A: JsonSchema>(
    (method, path): (&'static str, &'static str),
    verb: &'static str,
    role: Role,
    about: &'static str,
) -> Request {
    Request {
        method,
        path,
        verb,
        to: Service::Broker,
        role,
        about,
        read: read::<T>,
        is_large: false,
        schema: schema::<T>,
        answer: schema::<A>,
    }
}

impl Request {
    /// Its name in the OpenAPI document; no two have the same.
    pub fn operation(&self) -> String {
        match self.to {
            Service::Updater | Service::Jobs => format!("update-{}", self.verb),
            Service::Broker | Service::Certificate | Service::Bundle => self.verb.to_owned(),
        }
    }
}

const fn to(to: Service, request: Request) -> Request {
    Request { to, ..request }
}

const fn large(request: Request) -> Request {
    Request {
        is_large: true,
        ..request
    }
}

/// Where a session is begun.
pub const SESSION: &str = "/api/v1/session";

/// All of them.
pub static REQUESTS: [Request; 34] = {
    use Role::{Administrator as A, Operator as O, Viewer as V};
    [
        request::<Nothing, answers::WhoAnswer>(
            ("get", SESSION),
            "session",
            V,
            "Who the session is of",
        ),
        request::<OwnPassword, answers::Done>(
            ("put", "/api/v1/session/password"),
            "set-own-password",
            V,
            "Sets one's own password",
        ),
        request::<Nothing, answers::UsersAnswer>(("get", "/api/v1/users"), "users", A, "All users"),
        request::<NewUser, answers::Done>(("post", "/api/v1/users"), "user-add", A, "Adds a user"),
        request::<UserChange, answers::Done>(
            ("patch", "/api/v1/users/{name}"),
            "user-change",
            A,
            "Changes a user",
        ),
        request::<Nothing, answers::Done>(
            ("delete", "/api/v1/users/{name}"),
            "user-remove",
            A,
            "Removes a user",
        ),
        request::<Nothing, answers::SessionsAnswer>(
            ("delete", "/api/v1/users/{name}/sessions"),
            "sessions-end",
            V,
            "Ends all sessions of a user but the one that asks; of others than oneself this takes an administrator",
        ),
        request::<Nothing, answers::SettingsAnswer>(
            ("get", "/api/v1/settings"),
            "settings-get",
            O,
            "The settings, without secrets",
        ),
        request::<Set, answers::SavedAnswer>(
            ("patch", "/api/v1/settings"),
            "settings-set",
            A,
            "Changes settings",
        ),
        request::<Changes, answers::CheckAnswer>(
            ("post", "/api/v1/settings/check"),
            "settings-check",
            A,
            "Judges changes",
        ),
        request::<Nothing, answers::HistoryAnswer>(
            ("get", "/api/v1/settings/history"),
            "settings-history",
            A,
            "Earlier settings",
        ),
        request::<Generation, answers::DiffAnswer>(
            ("post", "/api/v1/settings/diff"),
            "settings-diff",
            A,
            "What has changed since",
        ),
        request::<Generation, answers::SavedAnswer>(
            ("post", "/api/v1/settings/restore"),
            "settings-restore",
            A,
            "Restores earlier ones",
        ),
        request::<Nothing, answers::TrialAnswer>(
            ("get", "/api/v1/network-trial"),
            "network-trial",
            V,
            "What is left of a trial",
        ),
        request::<Nothing, answers::SavedAnswer>(
            ("post", "/api/v1/network-trial"),
            "network-confirm",
            A,
            "Confirms it",
        ),
        request::<Nothing, answers::Done>(
            ("delete", "/api/v1/network-trial"),
            "network-revert",
            A,
            "Takes it back",
        ),
        request::<Sealed, answers::BackupAnswer>(
            ("post", "/api/v1/backup"),
            "backup",
            A,
            "Makes a backup",
        ),
        request::<Restore, answers::SavedAnswer>(
            ("post", "/api/v1/restore"),
            "restore",
            A,
            "Restores a backup",
        ),
        request::<Nothing, answers::CheckAtBootAnswer>(
            ("get", "/api/v1/check-at-boot"),
            "check-at-boot-state",
            V,
            "Whether the next start checks all volumes",
        ),
        request::<OnOff, answers::Done>(
            ("put", "/api/v1/check-at-boot"),
            "check-at-boot",
            A,
            "Has the next start check all volumes",
        ),
        large(request::<Lines, answers::LogsAnswer>(
            ("post", "/api/v1/logs"),
            "logs",
            O,
            "Lines of a log",
        )),
        large(request::<Last, answers::AuditAnswer>(
            ("post", "/api/v1/audit"),
            "audit",
            A,
            "The audit trail",
        )),
        request::<Nothing, answers::PowerAnswer>(
            ("post", "/api/v1/restart"),
            "restart",
            A,
            "Restarts the appliance",
        ),
        request::<Nothing, answers::PowerAnswer>(
            ("post", "/api/v1/power-off"),
            "power-off",
            A,
            "Switches it off",
        ),
        to(
            Service::Updater,
            request::<Nothing, updates::StatusAnswer>(
                ("get", "/api/v1/update"),
                "status",
                A,
                "What runs, and what comes next",
            ),
        ),
        to(
            Service::Updater,
            request::<Nothing, updates::PackagesAnswer>(
                ("get", "/api/v1/update/packages"),
                "list",
                A,
                "Packages that were found, with the verdict on each",
            ),
        ),
        to(
            Service::Updater,
            request::<Nothing, updates::UpdatesAnswer>(
                ("get", "/api/v1/update/history"),
                "history",
                A,
                "What was installed, the newest first",
            ),
        ),
        to(
            Service::Jobs,
            request::<Nothing, updates::JobAnswer>(
                ("get", "/api/v1/update/installation"),
                "installation",
                A,
                "How an installation is that was asked for here",
            ),
        ),
        to(
            Service::Jobs,
            request::<updates::Install, updates::JobAnswer>(
                ("post", "/api/v1/update/installation"),
                "apply",
                A,
                "Begins to install a package; where one is under way, that one is told of",
            ),
        ),
        to(
            Service::Updater,
            request::<Nothing, updates::RollbackAnswer>(
                ("post", "/api/v1/update/rollback"),
                "rollback",
                A,
                "Has the next start take the other version",
            ),
        ),
        to(
            Service::Certificate,
            request::<Nothing, updates::CertificateAnswer>(
                ("get", "/api/v1/certificate"),
                "certificate",
                A,
                "The certificate that browsers are shown",
            ),
        ),
        to(
            Service::Certificate,
            request::<updates::NewCertificate, updates::CertificateAnswer>(
                ("put", "/api/v1/certificate"),
                "certificate-install",
                A,
                "Installs a certificate of one's own",
            ),
        ),
        to(
            Service::Certificate,
            request::<Nothing, updates::CertificateAnswer>(
                ("delete", "/api/v1/certificate"),
                "certificate-remove",
                A,
                "Takes the appliance's own one again",
            ),
        ),
        to(
            Service::Bundle,
            request::<Nothing, updates::File>(
                ("post", "/api/v1/support-bundle"),
                "support-bundle",
                A,
                "Logs and settings for whoever helps, without secrets: a file",
            ),
        ),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_checked_by_their_types() {
        let of = |verb: &str, value: Value| {
            let request = REQUESTS.iter().find(|request| request.verb == verb);
            (request.expect("a request").read)(value)
        };
        for (verb, value, good) in [
            ("session", json!({}), true),
            ("session", json!({"x": 1}), false),
            ("user-change", json!({"disabled": true}), true),
            ("user-change", json!({"name": "other"}), false),
            ("user-change", json!({"disabled": "yes"}), false),
            (
                "settings-set",
                json!({"changes": [{"path": "a", "value": null}]}),
                true,
            ),
            ("settings-set", json!({"changes": [{"path": "a"}]}), false),
            ("logs", json!({"lines": -1}), false),
            ("logs", json!({"lines": 7.0}), true),
            ("logs", json!({"lines": 7.5}), false),
            ("logs", json!({"lines": 1e300}), false),
            ("logs", json!({"lines": 7, "log": "audit"}), false),
            ("user-change", json!({"role": "god"}), false),
            ("restart", json!([]), false),
        ] {
            assert_eq!(of(verb, value.clone()).is_ok(), good, "{verb} {value}");
        }
        assert_eq!(
            of(
                "settings-set",
                json!({"changes": [{"path": "a", "value": 15.0}]})
            ),
            Ok(json!({"changes": [{"path": "a", "value": 15}]}))
        );
        // What was not said is not said to the broker either.
        assert_eq!(
            of("user-change", json!({"disabled": true})),
            Ok(json!({"disabled": true}))
        );
        // What was said to be nothing is.
        for language in [json!(null), json!("fr")] {
            let value = json!({"language": language});
            assert_eq!(of("user-change", value.clone()), Ok(value));
        }
        assert!(of("user-change", json!({"language": 1})).is_err());
    }
}
