//! `POST /update/send`: a package in a form, for browsers in which no script runs. The session's token comes first,
//! then the file, which goes to its place as it comes.

use std::sync::Arc;

use axum::extract::multipart::Field;
use axum::extract::{Extension, FromRequest, Multipart, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use tokio::time::timeout;

use super::upload::too_many;
use super::who::{Administrator, LoggedIn, Who, wrong_token};
use super::{Admin, update};
use crate::failure::Failure;
use crate::server::Client;
use crate::upload::alive::meanwhile;
use crate::upload::form::slow;
use crate::upload::pace::{Came, LINGER, Pieces, WINDOW};
use crate::upload::receive::Refused;

/// More than a token has, in bytes.
const TOKEN: usize = 256;

/// Why nothing was taken.
enum No {
    Token,
    Refused(Refused),
}

impl From<Refused> for No {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

fn senseless(status: StatusCode) -> No {
    let why = Failure::new(
        "this is no form with a package; choose a file and send it",
        "ce n’est pas un formulaire avec un paquet ; choisissez un fichier et envoyez-le",
    );
    Refused { status, why }.into()
}

/// `POST /update/send`
pub async fn send(
    State(admin): State<Arc<Admin>>,
    who: Who<Administrator>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Response {
    // Each of its waits has bounds of its own.
    let _hold = client.lifetime.hold();
    let receiving = received(&admin, &who, request);
    let mut answer = match meanwhile(receiving, who.stays(&admin)).await {
        Ok(()) => return Redirect::to("/update").into_response(),
        Err(No::Token) => wrong_token(&admin, &who),
        Err(No::Refused(Refused { status, why })) => {
            let page = update::show(&admin, &who, Some(why)).await;
            (status, page).into_response()
        }
    };
    // What of the body is not read must not be taken for another request.
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    answer
}

async fn received(admin: &Arc<Admin>, who: &LoggedIn, request: Request) -> Result<(), No> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let most = length.ok_or_else(|| senseless(StatusCode::LENGTH_REQUIRED))?;
    let form = Multipart::from_request(request, admin).await;
    let mut form = form.map_err(|_| senseless(StatusCode::BAD_REQUEST))?;
    let taken = taken(admin, who, most, &mut form).await;
    // What stands behind the file is of no use, and who was refused hears it better so.
    let rest = async { while let Ok(Some(_)) = form.next_field().await {} };
    let _ = timeout(LINGER, rest).await;
    taken
}

async fn taken(admin: &Admin, who: &LoggedIn, most: u64, form: &mut Multipart) -> Result<(), No> {
    let file = timeout(WINDOW, opened(who, form)).await;
    let mut file = file.map_err(|_| slow())??;
    let place = Arc::clone(&admin.uploads).try_acquire_owned();
    let place = place.map_err(|_| too_many())?;
    admin.receiver.take_form(most, &mut file, place).await?;
    Ok(())
}

/// The file of a form that begins with the session's token.
async fn opened<'a>(who: &LoggedIn, form: &'a mut Multipart) -> Result<Field<'a>, No> {
    let bad = |_| senseless(StatusCode::BAD_REQUEST);
    let mut token = form.next_field().await.map_err(bad)?.ok_or(No::Token)?;
    if token.name() != Some("csrf") || !who.knows(&short(&mut token).await) {
        return Err(No::Token);
    }
    drop(token);
    let file = form.next_field().await.map_err(bad)?;
    let file = file.filter(|file| file.name() == Some("file"));
    file.ok_or_else(|| senseless(StatusCode::BAD_REQUEST))
}

/// The text of a field; empty where it is none, or too long for a token.
async fn short(field: &mut Field<'_>) -> String {
    let mut bytes = Vec::new();
    while let Came::Bytes(more) = field.piece().await {
        bytes.extend_from_slice(&more);
        if bytes.len() > TOKEN {
            return String::new();
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}
