//! The calls, each with its request, its timeout and what its answer becomes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    account::BankAccount,
    bank::{
        AccountFeed, AccountsAnswer, BankError, BankItem, Exchange, Exchanged, HistoryStatus, Institution,
        Institutions, LinkPurpose, LinkRequest, LinkSettings, LinkToken, Linking, Meaning, SyncPage,
        TransactionFeed, WebhookAddress,
    },
    ids::{Cursor, InstitutionId},
    secret::{AccessToken, PublicToken},
    transaction::BankFacts,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    client::{Client, passing},
    transaction::{beginning, read_transaction},
    wire,
};

/// Transactions of a page: the most that Plaid gives, for the fewest pages.
const COUNT: u16 = 500;
/// The first page of a long history takes up to eight times as long as any other.
const SYNC_TIMEOUT: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(8);
/// The most history that Plaid gives. It cannot be raised later.
const DAYS_REQUESTED: u16 = 730;

#[derive(Serialize)]
struct SyncRequest<'a> {
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
    count: u16,
    options: SyncOptions,
}

#[derive(Serialize)]
struct SyncOptions {
    include_original_description: bool,
    personal_finance_category_version: &'static str,
}

const SYNC_OPTIONS: SyncOptions =
    SyncOptions { include_original_description: true, personal_finance_category_version: "v2" };

#[async_trait]
impl TransactionFeed for Client {
    async fn page(&self, token: &AccessToken, cursor: Option<&Cursor>) -> Result<SyncPage, BankError> {
        let request = SyncRequest {
            access_token: token.expose(),
            cursor: cursor.map(Cursor::as_str),
            count: COUNT,
            options: SYNC_OPTIONS,
        };
        let text = self.post("/transactions/sync", &request, SYNC_TIMEOUT).await?;
        read_page(&text)
    }
}

pub(crate) fn read_page(text: &str) -> Result<SyncPage, BankError> {
    let page: wire::SyncPage<'_> = parse(text)?;
    if page.added.is_none() && page.next_cursor.is_none() {
        // An object, but not Plaid's.
        return Err(passing("unreadable"));
    }
    let mut left_out = Vec::new();
    Ok(SyncPage {
        added: read_all(&page.added.unwrap_or_default(), &mut left_out),
        modified: read_all(&page.modified.unwrap_or_default(), &mut left_out),
        removed: page.removed.unwrap_or_default().into_iter().filter_map(wire::removed_id).collect(),
        accounts: read_accounts(&page.accounts.unwrap_or_default()),
        next_cursor: page.next_cursor.and_then(|cursor| cursor.parse().ok()),
        has_more: page.has_more.unwrap_or_default(),
        history: page
            .transactions_update_status
            .and_then(wire::text)
            .map_or(HistoryStatus::Unknown, |status| HistoryStatus::from(status.as_str())),
        request_id: page.request_id.and_then(wire::text),
        left_out,
    })
}

/// The transactions; of what is none, the beginning goes to `left_out`.
fn read_all(transactions: &[&serde_json::value::RawValue], left_out: &mut Vec<String>) -> Vec<BankFacts> {
    let mut read = |text: &str| {
        let facts = read_transaction(text);
        if facts.is_none() {
            left_out.push(beginning(text));
        }
        facts
    };
    transactions.iter().filter_map(|raw| read(raw.get())).collect()
}

fn read_accounts(accounts: &[&serde_json::value::RawValue]) -> Vec<BankAccount> {
    accounts.iter().filter_map(|raw| wire::read_account(raw.get())).collect()
}

#[derive(Serialize)]
struct TokenRequest<'a> {
    access_token: &'a str,
}

#[async_trait]
impl AccountFeed for Client {
    async fn accounts(&self, token: &AccessToken) -> Result<AccountsAnswer, BankError> {
        let text =
            self.post("/accounts/get", &TokenRequest { access_token: token.expose() }, TIMEOUT).await?;
        let answer: wire::Accounts<'_> = parse(&text)?;
        Ok(AccountsAnswer {
            accounts: read_accounts(&answer.accounts),
            item: answer.item.map(|item| wire::read_item(item.get())).unwrap_or_default(),
        })
    }
}

#[derive(Serialize)]
struct WebhookRequest<'a> {
    access_token: &'a str,
    webhook: &'a str,
}

#[async_trait]
impl WebhookAddress for Client {
    async fn send_webhooks_to(&self, token: &AccessToken, url: &str) -> Result<(), BankError> {
        let request = WebhookRequest { access_token: token.expose(), webhook: url };
        self.post("/item/webhook/update", &request, TIMEOUT).await.map(drop)
    }
}

#[derive(Serialize)]
struct ExchangeRequest<'a> {
    public_token: &'a str,
}

#[derive(Deserialize)]
struct ExchangeAnswer {
    access_token: String,
    item_id: String,
}

#[async_trait]
impl Exchange for Client {
    async fn exchange(&self, public: &PublicToken) -> Result<Exchanged, BankError> {
        let request = ExchangeRequest { public_token: public.expose() };
        let text = self.post("/item/public_token/exchange", &request, TIMEOUT).await?;
        let answer: ExchangeAnswer = parse(&text)?;
        let plaid_item = answer.item_id.parse().map_err(|_why| passing("unreadable"))?;
        Ok(Exchanged { token: AccessToken::new(answer.access_token), plaid_item })
    }

    async fn remove(&self, token: &AccessToken) -> Result<(), BankError> {
        match self.post("/item/remove", &TokenRequest { access_token: token.expose() }, TIMEOUT).await {
            Err(error) if error.meaning != Meaning::Gone => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn public_tokens(&self, link_token: &str) -> Result<Vec<PublicToken>, BankError> {
        let text = self.post("/link/token/get", &LinkTokenLookUp { link_token }, TIMEOUT).await?;
        let answer: LinkSessionsAnswer = parse(&text)?;
        let results = answer.link_sessions.into_iter().filter_map(|session| session.results);
        let added = results.flat_map(|results| results.item_add_results);
        Ok(added.filter_map(|added| added.public_token).map(PublicToken::new).collect())
    }
}

#[derive(Serialize)]
struct LinkTokenLookUp<'a> {
    link_token: &'a str,
}

#[derive(Deserialize)]
struct LinkSessionsAnswer {
    #[serde(default)]
    link_sessions: Vec<LinkSessionAnswer>,
}

#[derive(Deserialize)]
struct LinkSessionAnswer {
    results: Option<LinkResults>,
}

#[derive(Deserialize)]
struct LinkResults {
    #[serde(default)]
    item_add_results: Vec<ItemAdded>,
}

#[derive(Deserialize)]
struct ItemAdded {
    public_token: Option<String>,
}

#[derive(Serialize)]
struct LinkTokenRequest<'a> {
    client_name: &'a str,
    language: &'a str,
    country_codes: &'a [String],
    user: LinkUser<'a>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    products: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    additional_consented_products: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<LinkUpdate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosted_link: Option<HostedLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transactions: Option<LinkTransactions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uri: Option<&'a str>,
}

#[derive(Serialize)]
struct LinkUser<'a> {
    client_user_id: &'a str,
}

#[derive(Serialize)]
struct LinkUpdate {
    account_selection_enabled: bool,
}

/// An empty object asks for it; how long the page stays open is Plaid's default.
#[derive(Serialize)]
struct HostedLink {}

#[derive(Serialize)]
struct LinkTransactions {
    days_requested: u16,
}

#[derive(Deserialize)]
struct LinkTokenAnswer {
    link_token: String,
    expiration: jiff::Timestamp,
    hosted_link_url: Option<String>,
}

/// Starts connections: the client with what Link looks like.
pub struct Linker {
    /// The client.
    pub client: Client,
    /// What Link looks like.
    pub settings: LinkSettings,
}

#[async_trait]
impl Linking for Linker {
    async fn link_token(&self, request: &LinkRequest) -> Result<LinkToken, BankError> {
        let (products, consent, token, update) = match &request.purpose {
            LinkPurpose::Connect(products) => (products.as_slice(), &[][..], None, None),
            LinkPurpose::Update { token, mode } => {
                let update = LinkUpdate { account_selection_enabled: true };
                let update = mode.select_accounts.then_some(update);
                (&[][..], mode.consent_products.as_slice(), Some(token), update)
            }
        };
        let has_transactions = products.iter().any(|product| product == "transactions");
        let body = LinkTokenRequest {
            client_name: &self.settings.client_name,
            language: &self.settings.language,
            country_codes: &self.settings.country_codes,
            user: LinkUser { client_user_id: request.user.as_str() },
            products,
            additional_consented_products: consent,
            access_token: token.map(AccessToken::expose),
            update,
            hosted_link: request.hosted.then_some(HostedLink {}),
            transactions: has_transactions.then_some(LinkTransactions { days_requested: DAYS_REQUESTED }),
            // In update mode Plaid takes no notice of it.
            webhook: self.settings.webhook_url.as_deref().filter(|_| token.is_none()),
            redirect_uri: request.redirect_uri.as_deref(),
        };
        let text = self.client.post("/link/token/create", &body, TIMEOUT).await?;
        let answer: LinkTokenAnswer = parse(&text)?;
        Ok(LinkToken {
            link_token: answer.link_token,
            expiration: answer.expiration,
            hosted_url: answer.hosted_link_url,
        })
    }
}

#[derive(Serialize)]
struct InstitutionRequest<'a> {
    institution_id: &'a str,
    country_codes: &'a [String],
}

#[derive(Deserialize)]
struct InstitutionAnswer {
    institution: wire::Institution,
}

/// The banks of some countries.
pub struct Directory {
    /// The client.
    pub client: Arc<Client>,
    /// The countries, such as `US`.
    pub country_codes: Vec<String>,
}

#[async_trait]
impl Institutions for Directory {
    async fn institution(&self, id: &InstitutionId) -> Result<Institution, BankError> {
        let request = InstitutionRequest { institution_id: id.as_str(), country_codes: &self.country_codes };
        let text = self.client.post("/institutions/get_by_id", &request, TIMEOUT).await?;
        let answer: InstitutionAnswer = parse(&text)?;
        let institution_id =
            answer.institution.institution_id.parse().map_err(|_why| passing("unreadable"))?;
        Ok(Institution { institution_id, name: answer.institution.name })
    }
}

#[derive(Serialize)]
struct GetRequest<'a> {
    access_token: &'a str,
    start_date: Date,
    end_date: Date,
    options: GetOptions,
}

#[derive(Serialize)]
struct GetOptions {
    count: u16,
    offset: u32,
    include_original_description: bool,
    personal_finance_category_version: &'static str,
}

/// A page of the transactions between two dates (`/transactions/get`), to compare with what is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct RangePage {
    /// Newest first.
    pub transactions: Vec<BankFacts>,
    /// How many there are in the whole range.
    pub total: u32,
}

impl Client {
    /// The item as Plaid describes it (`/item/get`): where its health is read from.
    pub async fn item(&self, token: &AccessToken) -> Result<BankItem, BankError> {
        let text = self.post("/item/get", &TokenRequest { access_token: token.expose() }, TIMEOUT).await?;
        let answer: wire::ItemAnswer<'_> = parse(&text)?;
        let mut item = wire::read_item(answer.item.get());
        item.last_successful_update = answer.status.and_then(|status| wire::last_update(status.get()));
        Ok(item)
    }

    /// Transactions between two dates, both included, `offset` from the newest (`/transactions/get`).
    pub async fn between(
        &self,
        token: &AccessToken,
        from: Date,
        to: Date,
        offset: u32,
    ) -> Result<RangePage, BankError> {
        let options = GetOptions {
            count: COUNT,
            offset,
            include_original_description: SYNC_OPTIONS.include_original_description,
            personal_finance_category_version: SYNC_OPTIONS.personal_finance_category_version,
        };
        let request = GetRequest { access_token: token.expose(), start_date: from, end_date: to, options };
        let text = self.post("/transactions/get", &request, SYNC_TIMEOUT).await?;
        let answer: wire::RangePage<'_> = parse(&text)?;
        Ok(RangePage {
            transactions: read_all(&answer.transactions, &mut Vec::new()),
            total: answer.total_transactions,
        })
    }
}

/// An answer of another shape than Plaid's broke off on its way, or is not Plaid's: the next try may be whole.
fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, BankError> {
    serde_json::from_str(text).map_err(|_why| passing("unreadable"))
}
