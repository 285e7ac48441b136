//! Keeps a data source's password out of what the cloud says about it later.
//!
//! The answer to the create request itself is redacted by the cloud client, which has the password at hand. A job's `failed_detail` and a
//! list's `fail_reason` come when that request is long over, perhaps to another process. Takes such texts, returns them without the
//! password, or withholds them. It may read the Secret, and never passes the password on.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};

use super::context::Context;
use super::observe::Pass;
use super::plan::{SecretVersion, View};
use crate::api::intent::EARLIER_SECRETS_MAX;
use crate::cloud::{Item, Job, JobState, credentials, without_secrets};

/// What is told instead of words that may repeat a password.
const WITHHELD: &str = "The cloud's words are withheld: they may repeat a password that was sent earlier and is not known any more. See the console.";

/// A password, and where it was read.
#[derive(Clone)]
pub struct KnownPassword {
    version: SecretVersion,
    password: SecretString,
}

/// What is known of the passwords that the cloud may repeat.
enum Known {
    /// All of them.
    Passwords(Vec<SecretString>),
    /// Not all of them: no Secret holds them any more, or it cannot be read.
    Part,
}

impl Known {
    fn cut_from(&self, text: &mut String) {
        if text.is_empty() {
            return;
        }
        *text = match self {
            Known::Passwords(passwords) => without_secrets(text, passwords.iter().map(ExposeSecret::expose_secret)),
            Known::Part => WITHHELD.to_owned(),
        };
    }

    /// Of a code, which tells the reader most, at least the bare one stays.
    fn cut_from_code(&self, code: &mut String) {
        match (self, bare_code(code)) {
            (Known::Part, Some(bare)) => *code = bare.to_owned(),
            _ => self.cut_from(code),
        }
    }
}

impl Pass {
    /// Remembers the password that is about to be sent, and some of those before it: an earlier request may have an effect that is still to
    /// come.
    pub(super) fn note_sent_password(&mut self, version: Option<&SecretVersion>) {
        let (Some(password), Some(version)) = (self.password.clone(), version.cloned()) else {
            return;
        };
        self.sent_passwords.retain(|sent| sent.version != version);
        self.sent_passwords.insert(0, KnownPassword { version, password });
        self.sent_passwords.truncate(1 + EARLIER_SECRETS_MAX);
    }

    /// Takes the password out of a job's code and detail, and out of a state that no document names.
    pub(super) async fn cut_password_from_job(&self, ctx: &Context, job: &mut Job) {
        let has_words = matches!(job.state, JobState::Other(_));
        if !has_words && job.failed_code.is_none() && job.failed_detail.is_none() {
            return;
        }
        let Some(known) = self.known(ctx).await else { return };
        if let JobState::Other(state) = &mut job.state {
            known.cut_from_code(state);
        }
        if let Some(code) = &mut job.failed_code {
            known.cut_from_code(code);
        }
        if let Some(detail) = &mut job.failed_detail {
            known.cut_from(detail);
        }
    }

    /// Takes the password out of what a list says about the object's data source.
    pub(super) async fn cut_password_from_view(&self, ctx: &Context, view: &mut View) {
        let items: Vec<&mut Item> = match view {
            View::Absent => Vec::new(),
            View::Ours { item, surplus } => std::iter::once(item).chain(surplus).collect(),
            View::Foreign { item } | View::Leaving { item, .. } => vec![item],
        };
        let reasons = items.into_iter().filter_map(|item| item.fail_reason.as_mut());
        let reasons: Vec<&mut String> = reasons.filter(|reason| !reason.is_empty()).collect();
        if reasons.is_empty() {
            return;
        }
        let Some(known) = self.known(ctx).await else { return };
        for reason in reasons {
            known.cut_from(reason);
        }
    }

    /// None if no request ever carried a password.
    async fn known(&self, ctx: &Context) -> Option<Known> {
        let o = &self.observation;
        let reference = o.object.spec.user_pwd.as_ref().map(|user_pwd| &user_pwd.secret_key_ref);
        let Some(carried) = o.carried_secrets() else {
            return Some(Known::Part);
        };
        if carried.is_empty() && self.sent_passwords.is_empty() {
            return reference.map(|_| Known::Part);
        }
        let mut known = self.sent_passwords.clone();
        if let Some(reference) = reference {
            known.extend(self.current_password(ctx, &reference.name, &reference.key).await);
        }
        let is_known = |version: &SecretVersion| known.iter().any(|known| known.version == *version);
        Some(if carried.iter().all(is_known) {
            Known::Passwords(known.into_iter().map(|known| known.password).collect())
        } else {
            Known::Part
        })
    }

    async fn current_password(&self, ctx: &Context, name: &str, key: &str) -> Option<KnownPassword> {
        let secrets = ctx.kubernetes.within::<Secret>(&self.member.namespace);
        let secret = ctx.kubernetes.call(secrets.get_opt(name)).await.ok()??;
        let version = SecretVersion {
            uid: secret.uid()?,
            resource_version: secret.resource_version()?,
            key: key.to_owned(),
        };
        let password = credentials::value(&secret.data?, key).ok()?;
        Some(KnownPassword { version, password })
    }
}

/// The end of a job's code that is one of the cloud's own codes: `DWS.0114` of `CreateExtDataSourceTask-fail:DWS.0114`.
fn bare_code(text: &str) -> Option<&str> {
    let bare = text.rsplit_once(':').map_or(text, |(_, bare)| bare);
    let (product, number) = bare.split_once('.')?;
    let is_code = !product.is_empty()
        && product.chars().all(|c| c.is_ascii_uppercase())
        && !number.is_empty()
        && number.chars().all(|c| c.is_ascii_digit());
    is_code.then_some(bare)
}
