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
use crate::cloud::{ConfigureStatus, Item, Job, JobState, SourceStatus, credentials, without_secrets};

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
        self.sent_passwords.retain(|sent| !sent.version.same_version(&version));
        self.sent_passwords.insert(0, KnownPassword { version, password });
        self.sent_passwords.truncate(1 + EARLIER_SECRETS_MAX);
    }

    /// Takes the password out of all that a job says in words of its own: a state that no document names, code, detail, and progress.
    pub(super) async fn cut_password_from_job(&self, ctx: &Context, job: &mut Job) {
        let state = match &mut job.state {
            JobState::Other(state) => Some(state),
            JobState::Running | JobState::Succeeded | JobState::Failed => None,
        };
        let codes = state.into_iter().chain(&mut job.failed_code).collect();
        let progress = job.progress.as_mut().filter(|progress| !is_number(progress));
        self.cut_password(ctx, codes, progress.into_iter().chain(&mut job.failed_detail).collect())
            .await;
    }

    /// Takes the password out of all that a list says in words of its own about the object's data source.
    pub(super) async fn cut_password_from_view(&self, ctx: &Context, view: &mut View) {
        let items: Vec<&mut Item> = match view {
            View::Absent => Vec::new(),
            View::Ours { item, surplus } => std::iter::once(item).chain(surplus).collect(),
            View::Foreign { item } | View::Leaving { item, .. } => vec![item],
        };
        let (mut codes, mut texts) = (Vec::new(), Vec::new());
        for item in items {
            if let Some(SourceStatus::Other(state)) = &mut item.status {
                codes.push(state);
            }
            if let Some(ConfigureStatus::Other(state)) = &mut item.configure_status {
                codes.push(state);
            }
            texts.extend(&mut item.fail_reason);
        }
        self.cut_password(ctx, codes, texts).await;
    }

    async fn cut_password(&self, ctx: &Context, mut codes: Vec<&mut String>, mut texts: Vec<&mut String>) {
        texts.retain(|text| !text.is_empty());
        codes.retain(|code| !code.is_empty());
        if codes.is_empty() && texts.is_empty() {
            return;
        }
        let Some(known) = self.known(ctx).await else { return };
        for code in codes {
            known.cut_from_code(code);
        }
        for text in texts {
            known.cut_from(text);
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
        let is_known = |version: &SecretVersion| known.iter().any(|known| known.version.same_version(version));
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
            hmac: None,
        };
        let password = credentials::value(&secret.data?, key).ok()?;
        Some(KnownPassword { version, password })
    }
}

/// Whether a progress is what it should be, such as `40%`.
fn is_number(progress: &str) -> bool {
    progress
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '.' | '%' | ' '))
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
