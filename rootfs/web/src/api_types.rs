//! What programs send to the interface for administration, `/api/v1`, and which request is which verb of the
//! broker. The OpenAPI document is made of these types and of this table.

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::api_answers as answers;
use crate::broker::Role;
use crate::language::Language;

/// Begins a session.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    pub user: String,
    pub password: String,
}

/// A session that was begun: its token goes along with each request, as `Authorization: Bearer …`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Begun {
    pub token: String,
    pub user: String,
    /// `viewer`, `operator` or `administrator`.
    pub role: String,
    /// After so many minutes without a request it is over.
    pub idle_minutes: u64,
}

/// What a request without success says.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Refusal {
    /// One word for programs.
    pub code: String,
    pub reason: String,
    pub reason_fr: String,
    /// What is wrong with which field of the settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<answers::CheckAnswer>")]
    pub problems: Vec<Value>,
}

/// A new user.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    pub name: String,
    pub role: Role,
    pub password: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

/// What changes of a user.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Null for that of the appliance.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    pub language: Option<Option<Language>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// One's own password.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPassword {
    pub old: String,
    pub new: String,
}

/// A field of the settings.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Such as `network.enterprise.address`.
    pub path: String,
    /// Null takes it out.
    pub value: Value,
}

/// Changes to judge.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    pub changes: Vec<Change>,
}

/// Changes to make.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    pub changes: Vec<Change>,
    /// Refused where another generation is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = u32::MAX))]
    pub generation: Option<u32>,
}

/// A generation of the settings.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    #[schemars(range(max = u32::MAX))]
    pub generation: u32,
}

/// A passphrase for a backup.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
}

/// A backup.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The file, in base64.
    pub data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
}

/// Whether it is wanted.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnOff {
    pub on: bool,
}

/// Which lines of a log.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// How many, from the newest.
    #[schemars(range(max = u32::MAX))]
    pub lines: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// In seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = u32::MAX))]
    pub since: Option<u32>,
    /// Behind this cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Which log.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    /// All that the system says.
    System,
    /// Links of ports that went and came.
    Disconnections,
}

/// How much of the audit trail.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Last {
    /// How many, from the newest.
    #[schemars(range(max = u32::MAX))]
    pub last: u32,
}

/// Nothing.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// What is null was given, too.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Language>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// How a request is read: checked against its type, and given back as the broker takes it.
type Read = fn(Value) -> Result<Value, String>;
type Schema = fn(&mut SchemaGenerator) -> schemars::Schema;

/// One request.
pub struct Request {
    pub method: &'static str,
    /// With `{name}` where that goes along.
    pub path: &'static str,
    pub verb: &'static str,
    pub role: Role,
    pub about: &'static str,
    pub read: Read,
    /// Its answer may be large.
    pub is_large: bool,
    schema: Schema,
    /// Of each event of the answer.
    answer: Schema,
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
        role,
        about,
        read: read::<T>,
        is_large: false,
        schema: schema::<T>,
        answer: schema::<A>,
    }
}

const fn large(request: Request) -> Request {
    Request {
        is_large: true,
        ..request
    }
}

/// Where a session is begun.
pub const SESSION: &str = "/api/v1/session";

/// All that goes to the broker as it stands.
pub static REQUESTS: [Request; 23] = {
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
    ]
};

/// The paths of the OpenAPI document: each request with what it takes and answers.
pub fn paths(generator: &mut SchemaGenerator) -> Vec<(&'static str, &'static str, Value)> {
    let refusal = generator.subschema_for::<Refusal>().to_value();
    let content = |schema: &Value| json!({"application/json": {"schema": schema}});
    let refused = |what: &str| json!({"description": what, "content": content(&refusal)});
    let responses = |ok: Value| {
        json!({
            "200": ok,
            "400": refused("The request is none."),
            "401": refused("Nobody is logged in."),
            "403": refused("The role does not allow it."),
            "413": {"description": "The request is too large."},
            "422": refused("It was judged and is not wanted."),
            "429": refused("Too many requests, or too many wrong passwords."),
            "503": refused("The machine is at fault."),
        })
    };
    let begun = generator.subschema_for::<Begun>().to_value();
    let log_in = generator.subschema_for::<LogIn>().to_value();
    let mut paths = vec![
        (
            SESSION,
            "post",
            json!({
                "operationId": "log-in",
                "summary": "Begins a session",
                "requestBody": {"required": true, "content": content(&log_in)},
                "responses": responses(json!({"description": "It is begun.", "content": content(&begun)})),
            }),
        ),
        (
            SESSION,
            "delete",
            json!({
                "operationId": "log-out",
                "summary": "Ends the session",
                "security": [{"session": []}],
                "responses": responses(json!({"description": "It is over."})),
            }),
        ),
    ];
    for request in &REQUESTS {
        let event = (request.answer)(generator).to_value();
        let answer = json!({"type": "array", "items": event});
        let answer = json!({"description": "What the broker says, an object each.", "content": content(&answer)});
        let mut about = json!({
            "operationId": request.verb,
            "summary": request.about,
            "description": format!("Takes the role {}.", request.role.word()),
            "security": [{"session": []}],
            "responses": responses(answer),
        });
        if request.path.contains("{name}") {
            about["parameters"] = json!([{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}]);
        }
        let taken = (request.schema)(generator).to_value();
        if !matches!(request.method, "get" | "delete") {
            // A body that is left out is one without fields.
            let required = (request.read)(json!({})).is_err();
            about["requestBody"] = json!({"required": required, "content": content(&taken)});
        }
        paths.push((request.path, request.method, about));
    }
    paths
}

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
