//! Asks past the caches what a plan needs to know as of now.

use super::{Context, Error, Inquiry, accounts};

/// Asks, and notes the answer where the next pass looks.
///
/// # Errors
/// When it was not answered; the pass comes again.
pub async fn ask(cx: &Context, inquiry: &Inquiry) -> Result<(), Error> {
    match inquiry {
        Inquiry::Grants { uid } => accounts::prove(cx, uid).await,
        Inquiry::Leaf { target, namespace } => cx.members.connection(target)?.look(namespace).await,
    }
}
