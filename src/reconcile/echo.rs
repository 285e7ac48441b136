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
use crate::cloud::{Item, Job, JobState, credentials, without_secrets};

/// What is known of the passwords that the cloud may repeat.
enum Known {
    /// All of them.
    Passwords(Vec<SecretString>),
    /// Nobody can tell what was sent: the Secret of this name does not hold it any more, or cannot be read.
    Nothing(String),
}

impl Known {
    fn cut_from(&self, text: &mut String) {
        if text.is_empty() {
            return;
        }
        *text = match self {
            Known::Passwords(passwords) => without_secrets(text, passwords.iter().map(ExposeSecret::expose_secret)),
            Known::Nothing(secret) => format!(
                "The cloud's words are withheld: they may repeat the password, and Secret {secret} does not tell which one was sent. See the console."
            ),
        };
    }

    /// Of a code, which tells the reader most, at least the bare one stays.
    fn cut_from_code(&self, code: &mut String) {
        match (self, bare_code(code)) {
            (Known::Nothing(_), Some(bare)) => *code = bare.to_owned(),
            _ => self.cut_from(code),
        }
    }
}

impl Pass {
    /// Remembers the password that is about to be sent. An earlier one may belong to a request whose effect is still to come.
    pub(super) fn note_sent_password(&mut self) {
        let Some(password) = &self.password else { return };
        self.sent_passwords
            .retain(|sent| sent.expose_secret() != password.expose_secret());
        self.sent_passwords.insert(0, password.clone());
    }

    /// Forgets all but the last password when no earlier request can have an effect any more.
    pub(super) fn forget_earlier_passwords(&mut self) {
        let o = &self.observation;
        if o.open_attempt().is_none() && !o.late() {
            self.sent_passwords.truncate(1);
        }
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

    /// None for a data source without a password.
    async fn known(&self, ctx: &Context) -> Option<Known> {
        let reference = &self.observation.object.spec.user_pwd.as_ref()?.secret_key_ref;
        let current = self.current_password(ctx, &reference.name, &reference.key).await;
        let recorded = self.observation.object.status.secret.as_ref();
        let is_sent = current.as_ref().is_some_and(|(version, _)| Some(version) == recorded);
        if self.sent_passwords.is_empty() && !is_sent {
            return Some(Known::Nothing(reference.name.clone()));
        }
        let current = current.map(|(_, password)| password);
        Some(Known::Passwords(
            self.sent_passwords.iter().cloned().chain(current).collect(),
        ))
    }

    async fn current_password(&self, ctx: &Context, name: &str, key: &str) -> Option<(SecretVersion, SecretString)> {
        let secrets = ctx.kubernetes.within::<Secret>(&self.member.namespace);
        let secret = ctx.kubernetes.call(secrets.get_opt(name)).await.ok()??;
        let version = SecretVersion {
            uid: secret.uid()?,
            resource_version: secret.resource_version()?,
        };
        let password = credentials::value(&secret.data?, key).ok()?;
        Some((version, password))
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
