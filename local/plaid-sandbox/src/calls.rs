//! The endpoints.

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Sandbox,
    errors::PlaidError,
    ledger::{Cursor, Transaction, page},
    people::{MFA_CODE, needs_mfa},
    wire::{self, WireAccount, WireTransaction},
    world::{Item, LinkSession, NewItem, Webhook, World},
};

/// Transactions of a page, by default and at most.
const DEFAULT_COUNT: usize = 100;
const LARGEST_COUNT: usize = 500;
/// The history that is asked for where nobody says, and the most there is.
const DEFAULT_DAYS: u16 = 90;
const MOST_DAYS: u16 = 730;

type Answer = Result<Box<dyn ErasedBody>, PlaidError>;

/// An answer's body, whatever its type.
trait ErasedBody: Send {
    fn json(&self, request_id: &str) -> serde_json::Result<String>;
}

struct Body<T>(T);

impl<T: Serialize + Send> ErasedBody for Body<T> {
    fn json(&self, request_id: &str) -> serde_json::Result<String> {
        // Raw numbers cannot pass through serde's `flatten`: the id is put in front of the closing brace.
        let text = serde_json::to_string(&self.0)?;
        let open = text.strip_suffix('}').unwrap_or(&text);
        let comma = if open.ends_with('{') { "" } else { "," };
        Ok(format!("{open}{comma}\"request_id\":\"{request_id}\"}}"))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what every endpoint ends in")]
fn ok<T: Serialize + Send + 'static>(content: T) -> Answer {
    Ok(Box::new(Body(content)))
}

/// A call: what it may use.
struct Call<'a> {
    world: &'a mut World,
    now: Timestamp,
    delays: (Duration, Duration),
}

impl Call<'_> {
    fn item(&mut self, access_token: &str) -> Result<&mut Item, PlaidError> {
        self.world.item(access_token, self.now, self.delays)
    }
}

type Endpoint = fn(&mut Call<'_>, Value) -> Answer;

const ENDPOINTS: [(&str, Endpoint); 19] = [
    ("/link/token/create", |call, body| link_token_create(call, parse(body)?)),
    ("/link/token/get", |call, body| link_token_get(call, &parse(body)?)),
    ("/link/submit", |call, body| link_submit(call, &parse(body)?)),
    ("/item/public_token/exchange", |call, body| exchange(call, &parse(body)?)),
    ("/item/get", |call, body| item_get(call, &parse(body)?)),
    ("/item/remove", |call, body| item_remove(call, &parse(body)?)),
    ("/item/webhook/update", |call, body| webhook_update(call, &parse(body)?)),
    ("/accounts/get", |call, body| accounts_get(call, &parse(body)?)),
    ("/accounts/balance/get", |call, body| accounts_get(call, &parse(body)?)),
    ("/transactions/sync", |call, body| transactions_sync(call, &parse(body)?)),
    ("/transactions/get", |call, body| transactions_get(call, &parse(body)?)),
    ("/transactions/refresh", |call, body| transactions_refresh(call, &parse(body)?)),
    ("/institutions/get_by_id", |call, body| institution_get(call, &parse(body)?)),
    ("/sandbox/public_token/create", |call, body| public_token_create(call, &parse(body)?)),
    ("/sandbox/item/reset_login", |call, body| reset_login(call, &parse(body)?)),
    ("/sandbox/item/fire_webhook", |call, body| fire_webhook(call, &parse(body)?)),
    ("/sandbox/transactions/create", |call, body| transactions_create(call, parse(body)?)),
    ("/institutions/get", |call, body| institutions_get(call, &parse(body)?)),
    ("/item/access_token/invalidate", |call, body| invalidate(call, &parse(body)?)),
];

pub(crate) fn routes(sandbox: Sandbox) -> Router {
    let router = Router::new().fallback(not_found);
    ENDPOINTS
        .into_iter()
        .fold(router, |router, (path, endpoint)| {
            let handler = move |state: State<Sandbox>, headers: HeaderMap, body: Bytes| async move {
                answer(&state, path, endpoint, &headers, &body).await
            };
            router.route(path, post(handler))
        })
        .with_state(sandbox)
}

async fn not_found() -> Response {
    PlaidError { status: 404, ..PlaidError::request("NOT_FOUND", "the requested resource was not found") }
        .into_response_for("")
}

/// What every call goes through: faults, keys, JSON, the endpoint, the envelope.
async fn answer(
    sandbox: &Sandbox,
    path: &str,
    endpoint: Endpoint,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let (result, request_id, delay) = {
        let mut world = sandbox.world();
        *world.calls.entry(path.to_owned()).or_default() += 1;
        let request_id: String = world.generator.id().chars().take(15).collect();
        let met = world.faults.meet(path);
        let delay = met.as_ref().map(|met| met.delay);
        let result = match met.and_then(|met| met.error_code) {
            Some(code) => Err(PlaidError::of_code(&code)),
            None => run(sandbox, &mut world, endpoint, headers, body),
        };
        (result, request_id, delay)
    };
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    match result.map(|body| body.json(&request_id)) {
        Ok(Ok(json)) => (StatusCode::OK, [(CONTENT_TYPE, "application/json")], json).into_response(),
        Ok(Err(_)) => PlaidError::of_code("INTERNAL_SERVER_ERROR").into_response_for(&request_id),
        Err(error) => error.into_response_for(&request_id),
    }
}

fn run(sandbox: &Sandbox, world: &mut World, endpoint: Endpoint, headers: &HeaderMap, body: &[u8]) -> Answer {
    let mut body: Value = serde_json::from_slice(body)
        .map_err(|_not_json| PlaidError::request("INVALID_BODY", "body could not be parsed as JSON"))?;
    let fields =
        body.as_object_mut().ok_or_else(|| PlaidError::request("INVALID_BODY", "body must be an object"))?;
    let key = |header: &str, field: Option<Value>| {
        let header = headers.get(header).and_then(|value| value.to_str().ok()).map(str::to_owned);
        header.or_else(|| field.as_ref().and_then(Value::as_str).map(str::to_owned))
    };
    let client_id = key("plaid-client-id", fields.remove("client_id"));
    let secret = key("plaid-secret", fields.remove("secret"));
    let config = &sandbox.config;
    if client_id.as_ref() != Some(&config.client_id) || secret.as_ref() != Some(&config.secret) {
        return Err(PlaidError::input("INVALID_API_KEYS", "invalid client_id or secret provided"));
    }
    let delays = (config.initial_after, config.historical_after);
    endpoint(&mut Call { world, now: Timestamp::now(), delays }, body)
}

/// A request, strictly: Plaid refuses what it does not know.
fn parse<T: DeserializeOwned>(body: Value) -> Result<T, PlaidError> {
    serde_json::from_value(body).map_err(|error| {
        let message = error.to_string();
        let code = if message.starts_with("unknown field") {
            "UNKNOWN_FIELDS"
        } else if message.starts_with("missing field") {
            "MISSING_FIELDS"
        } else {
            "INVALID_FIELD"
        };
        PlaidError::request(code, &message)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    access_token: String,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted, as Plaid does; the sandbox takes no notes")]
    reason_code: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted, as Plaid does; the sandbox takes no notes")]
    reason_note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkTokenRequest {
    client_name: String,
    language: String,
    country_codes: Vec<String>,
    user: Option<LinkUser>,
    #[serde(default)]
    products: Vec<String>,
    transactions: Option<LinkTransactions>,
    webhook: Option<String>,
    redirect_uri: Option<String>,
    access_token: Option<String>,
    #[serde(rename = "update")]
    _update: Option<Value>,
    #[serde(rename = "account_filters")]
    _account_filters: Option<Value>,
    #[serde(rename = "hosted_link")]
    _hosted_link: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkUser {
    client_user_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkTransactions {
    days_requested: Option<u16>,
}

fn days(requested: Option<u16>) -> Result<u16, PlaidError> {
    match requested.unwrap_or(DEFAULT_DAYS) {
        days @ 1..=MOST_DAYS => Ok(days),
        _ => Err(PlaidError::request("INVALID_FIELD", "days_requested must be between 1 and 730")),
    }
}

fn link_token_create(call: &mut Call<'_>, request: LinkTokenRequest) -> Answer {
    let field = |why| Err(PlaidError::request("INVALID_FIELD", why));
    if request.client_name.is_empty() || request.language.is_empty() || request.country_codes.is_empty() {
        return field("client_name, language and country_codes must not be empty");
    }
    if request.user.as_ref().is_none_or(|user| user.client_user_id.is_empty()) {
        return field("user.client_user_id must be a non-empty string");
    }
    match (&request.access_token, request.products.is_empty()) {
        (None, true) => return field("products must not be empty"),
        (Some(_), false) => return field("products must be omitted in update mode"),
        (Some(token), true) => drop(call.item(token)?),
        (None, false) => {}
    }
    let refused = ["balance", "recurring_transactions", "transactions_refresh"];
    if let Some(product) = request.products.iter().find(|product| refused.contains(&product.as_str())) {
        return Err(PlaidError::input(
            "INVALID_PRODUCT",
            &format!("client is not authorized to access: {product}"),
        ));
    }
    if request.redirect_uri.as_ref().is_some_and(|uri| uri.contains(['?', '#'])) {
        return field("redirect_uri must not contain query parameters or fragments");
    }
    let session = LinkSession {
        products: request.products,
        webhook: request.webhook,
        days_requested: days(request.transactions.and_then(|t| t.days_requested))?,
        expires: call.now,
        created_at: call.now,
    };
    let (token, expires) = call.world.open_link(session, call.now);
    ok(json!({"link_token": token, "expiration": format!("{expires:.0}")}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkTokenGet {
    link_token: String,
}

fn link_token_get(call: &mut Call<'_>, request: &LinkTokenGet) -> Answer {
    let session = session(call, &request.link_token)?;
    ok(json!({
        "link_token": request.link_token,
        "created_at": session.created_at,
        "expiration": session.expires,
        "link_sessions": [],
        "metadata": {
            "initial_products": session.products, "webhook": session.webhook, "country_codes": ["US"],
            "language": "en", "redirect_uri": null, "client_name": null,
        },
    }))
}

fn session(call: &Call<'_>, link_token: &str) -> Result<LinkSession, PlaidError> {
    let session = call.world.link_sessions.get(link_token).filter(|session| session.expires > call.now);
    session
        .cloned()
        .ok_or_else(|| PlaidError::input("INVALID_LINK_TOKEN", "the link token is expired or does not exist"))
}

/// What somebody types into Link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkSubmit {
    link_token: String,
    institution_id: String,
    username: String,
    password: String,
    mfa: Option<String>,
}

fn link_submit(call: &mut Call<'_>, request: &LinkSubmit) -> Answer {
    let session = session(call, &request.link_token)?;
    if needs_mfa(&request.username, &request.password) {
        match request.mfa.as_deref() {
            None => return ok(json!({"mfa": "device"})),
            Some(MFA_CODE) => {}
            Some(_) => {
                return Err(PlaidError::item("INVALID_MFA", "the provided MFA response(s) were not correct"));
            }
        }
    }
    let new = NewItem {
        institution_id: &request.institution_id,
        username: &request.username,
        password: &request.password,
        products: session.products,
        webhook: session.webhook,
        days_requested: session.days_requested,
    };
    let (token, accounts) = call.world.log_in(new, call.now)?;
    let institution = call.world.institution(&request.institution_id)?.clone();
    let accounts: Vec<_> = accounts
        .iter()
        .map(|a| json!({"id": a.account_id, "name": a.name, "mask": a.mask, "type": a.kind, "subtype": a.subtype}))
        .collect();
    ok(json!({"public_token": token, "metadata": {"institution": institution, "accounts": accounts}}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicTokenCreate {
    institution_id: String,
    initial_products: Vec<String>,
    #[serde(default)]
    options: PublicTokenOptions,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PublicTokenOptions {
    webhook: Option<String>,
    override_username: Option<String>,
    override_password: Option<String>,
    transactions: Option<TransactionOptions>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransactionOptions {
    days_requested: Option<u16>,
    #[serde(rename = "start_date")]
    _start_date: Option<Date>,
    #[serde(rename = "end_date")]
    _end_date: Option<Date>,
}

fn public_token_create(call: &mut Call<'_>, request: &PublicTokenCreate) -> Answer {
    if request.initial_products.is_empty() {
        return Err(PlaidError::request("INVALID_FIELD", "initial_products must not be empty"));
    }
    let options = &request.options;
    let new = NewItem {
        institution_id: &request.institution_id,
        username: options.override_username.as_deref().unwrap_or("user_good"),
        password: options.override_password.as_deref().unwrap_or("pass_good"),
        products: request.initial_products.clone(),
        webhook: options.webhook.clone(),
        days_requested: days(options.transactions.as_ref().and_then(|t| t.days_requested))?,
    };
    let (token, _) = call.world.log_in(new, call.now)?;
    ok(json!({"public_token": token}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangeRequest {
    public_token: String,
}

fn exchange(call: &mut Call<'_>, request: &ExchangeRequest) -> Answer {
    let (access_token, item_id) = call.world.exchange(&request.public_token, call.now)?;
    ok(json!({"access_token": access_token, "item_id": item_id}))
}

fn item_view(call: &mut Call<'_>, access_token: &str) -> Result<Value, PlaidError> {
    let institutions = call.world.institutions.clone();
    let item = call.item(access_token)?;
    let name =
        institutions.iter().find(|i| i.institution_id == item.institution_id).map_or("", |i| i.name.as_str());
    Ok(wire::item(item, name))
}

fn item_get(call: &mut Call<'_>, request: &TokenRequest) -> Answer {
    let mut item = item_view(call, &request.access_token)?;
    let now = call.now;
    let (created_at, is_ready) = {
        let stored = call.item(&request.access_token)?;
        (stored.created_at, stored.ledger.tick() > 0)
    };
    if let Some(fields) = item.as_object_mut() {
        fields.insert("created_at".to_owned(), json!(created_at));
        fields.insert("consented_use_cases".to_owned(), json!([]));
        fields.insert("consented_data_scopes".to_owned(), json!([]));
    }
    let last_update = is_ready.then_some(now);
    ok(json!({
        "item": item,
        "status": {
            "transactions": {"last_successful_update": last_update, "last_failed_update": null},
            "last_webhook": null,
        },
    }))
}

fn item_remove(call: &mut Call<'_>, request: &TokenRequest) -> Answer {
    call.item(&request.access_token)?;
    call.world.remove(&request.access_token);
    ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookUpdate {
    access_token: String,
    webhook: Option<String>,
}

fn webhook_update(call: &mut Call<'_>, request: &WebhookUpdate) -> Answer {
    call.item(&request.access_token)?.webhook.clone_from(&request.webhook);
    let item = item_view(call, &request.access_token)?;
    let body = json!({"new_webhook_url": request.webhook, "error": null});
    due(call, &request.access_token, "ITEM", "WEBHOOK_UPDATE_ACKNOWLEDGED", body)?;
    ok(json!({"item": item}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountsRequest {
    access_token: String,
    #[serde(default)]
    options: AccountsOptions,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct AccountsOptions {
    account_ids: Option<Vec<String>>,
    #[serde(rename = "min_last_updated_datetime")]
    _min_last_updated_datetime: Option<String>,
}

#[derive(Serialize)]
struct AccountsAnswer {
    accounts: Vec<WireAccount>,
    item: Value,
}

fn accounts_get(call: &mut Call<'_>, request: &AccountsRequest) -> Answer {
    let view = item_view(call, &request.access_token)?;
    let item = call.item(&request.access_token)?;
    item.usable()?;
    let wanted = request.options.account_ids.as_ref();
    if let Some(missing) =
        wanted.into_iter().flatten().find(|id| item.accounts.iter().all(|a| a.account_id != **id))
    {
        return Err(PlaidError::input("INVALID_ACCOUNT_ID", &format!("no account {missing} in this item")));
    }
    let shown = item.accounts.iter().filter(|a| wanted.is_none_or(|ids| ids.contains(&a.account_id)));
    ok(AccountsAnswer { accounts: shown.map(wire::account).collect(), item: view })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SyncRequest {
    access_token: String,
    cursor: Option<String>,
    count: Option<usize>,
    #[serde(default, rename = "options")]
    _options: SyncOptions,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct SyncOptions {
    #[serde(rename = "include_original_description")]
    _include_original_description: Option<bool>,
    #[serde(rename = "personal_finance_category_version")]
    _personal_finance_category_version: Option<String>,
    #[serde(rename = "days_requested")]
    _days_requested: Option<u16>,
}

#[derive(Serialize)]
struct SyncAnswer {
    transactions_update_status: &'static str,
    accounts: Vec<WireAccount>,
    added: Vec<WireTransaction>,
    modified: Vec<WireTransaction>,
    removed: Vec<Value>,
    next_cursor: String,
    has_more: bool,
}

fn count(asked: Option<usize>) -> Result<usize, PlaidError> {
    match asked.unwrap_or(DEFAULT_COUNT) {
        count @ 1..=LARGEST_COUNT => Ok(count),
        _ => Err(PlaidError::request("INVALID_FIELD", "count must be between 1 and 500")),
    }
}

fn transactions_sync(call: &mut Call<'_>, request: &SyncRequest) -> Answer {
    let count = count(request.count)?;
    let item = call.item(&request.access_token)?;
    item.usable()?;
    let status = wire::status(item.history);
    let tick = item.ledger.tick();
    let start = match request.cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
        None => Cursor { item: item.item_id.clone(), from: 0, to: tick, offset: 0 },
        Some(text) => {
            let refused = || PlaidError::request("INVALID_FIELD", "cursor not associated with access_token");
            let cursor =
                Cursor::decode(text).filter(|cursor| cursor.item == item.item_id).ok_or_else(refused)?;
            // A cursor between two updates reads up to now; one inside an update reads that update on.
            if cursor.offset == 0 { Cursor { from: cursor.to, to: tick, ..cursor } } else { cursor }
        }
    };
    if start.to != tick {
        let why = "underlying transaction data changed since last page was fetched. please restart pagination from last \
                   update.";
        return Err(PlaidError::new(
            "TRANSACTIONS_ERROR",
            "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION",
            why,
        ));
    }
    let (delta, has_more) = page(item.ledger.delta(start.from, start.to), start.offset, count);
    let next = if has_more {
        Cursor { offset: start.offset + count, ..start }
    } else {
        Cursor { from: start.to, offset: 0, ..start }
    };
    let named = |id: &String| delta.added.iter().chain(&delta.modified).any(|t| t.account_id == *id);
    let accounts =
        item.accounts.iter().filter(|account| named(&account.account_id)).map(wire::account).collect();
    let view = |list: Vec<Transaction>| list.into_iter().map(wire::transaction).collect();
    ok(SyncAnswer {
        transactions_update_status: status,
        accounts,
        removed: delta.removed.iter().map(|(id, a)| json!({"transaction_id": id, "account_id": a})).collect(),
        added: view(delta.added),
        modified: view(delta.modified),
        next_cursor: if tick == 0 { String::new() } else { next.encode() },
        has_more,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GetRequest {
    access_token: String,
    start_date: Date,
    end_date: Date,
    #[serde(default)]
    options: GetOptions,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct GetOptions {
    account_ids: Option<Vec<String>>,
    count: Option<usize>,
    offset: Option<usize>,
    #[serde(rename = "include_original_description")]
    _include_original_description: Option<bool>,
    #[serde(rename = "personal_finance_category_version")]
    _personal_finance_category_version: Option<String>,
    #[serde(rename = "days_requested")]
    _days_requested: Option<u16>,
}

#[derive(Serialize)]
struct GetAnswer {
    accounts: Vec<WireAccount>,
    transactions: Vec<WireTransaction>,
    total_transactions: usize,
    item: Value,
}

fn transactions_get(call: &mut Call<'_>, request: &GetRequest) -> Answer {
    let count = count(request.options.count)?;
    let view = item_view(call, &request.access_token)?;
    let item = call.item(&request.access_token)?;
    item.usable()?;
    if item.history == crate::world::History::NotReady {
        return Err(PlaidError::item("PRODUCT_NOT_READY", "the requested product is not yet ready"));
    }
    let wanted = request.options.account_ids.as_ref();
    let mut all = item.ledger.now();
    all.retain(|t| t.date >= request.start_date && t.date <= request.end_date);
    all.retain(|t| wanted.is_none_or(|ids| ids.contains(&t.account_id)));
    all.sort_by(|a, b| (b.date, &b.id).cmp(&(a.date, &a.id)));
    let total_transactions = all.len();
    let page = all.into_iter().skip(request.options.offset.unwrap_or(0)).take(count);
    ok(GetAnswer {
        accounts: item.accounts.iter().map(wire::account).collect(),
        transactions: page.map(wire::transaction).collect(),
        total_transactions,
        item: view,
    })
}

fn transactions_refresh(call: &mut Call<'_>, request: &TokenRequest) -> Answer {
    let item = call.item(&request.access_token)?;
    item.usable()?;
    let item_id = item.item_id.clone();
    call.world.refresh(&item_id, call.now);
    updated(call, &request.access_token)?;
    ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransactionsCreate {
    access_token: String,
    transactions: Vec<NewTransaction>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTransaction {
    date_transacted: Date,
    date_posted: Date,
    amount: Box<serde_json::value::RawValue>,
    description: String,
    iso_currency_code: Option<String>,
}

fn transactions_create(call: &mut Call<'_>, request: TransactionsCreate) -> Answer {
    if request.transactions.is_empty() || request.transactions.len() > 10 {
        return Err(PlaidError::request("INVALID_FIELD", "transactions must have 1 to 10 entries"));
    }
    let mut ids = Vec::new();
    for _ in &request.transactions {
        ids.push(call.world.generator.id());
    }
    let item = call.item(&request.access_token)?;
    if item.person != crate::people::Person::Dynamic {
        let why = "only items of user_transactions_dynamic take transactions";
        return Err(PlaidError::request("INVALID_FIELD", why));
    }
    let account = item.accounts.iter().find(|account| account.kind == "depository").cloned();
    let account =
        account.ok_or_else(|| PlaidError::item("NO_ACCOUNTS", "the item has no depository account"))?;
    for (id, new) in ids.into_iter().zip(request.transactions) {
        let amount = domain::money::parse_amount(new.amount.get());
        item.ledger.put(Transaction {
            id,
            account_id: account.account_id.clone(),
            amount: amount.ok_or_else(|| PlaidError::request("INVALID_FIELD", "amount is not a number"))?,
            currency: new.iso_currency_code.unwrap_or_else(|| account.currency.clone()),
            date: new.date_posted,
            authorized_date: Some(new.date_transacted),
            name: new.description,
            merchant_name: None,
            pending: false,
            pending_transaction_id: None,
            payment_channel: "other".to_owned(),
            category: ("GENERAL_SERVICES".to_owned(), "GENERAL_SERVICES_OTHER_GENERAL_SERVICES".to_owned()),
            reference_number: None,
        });
    }
    updated(call, &request.access_token)?;
    ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InstitutionRequest {
    institution_id: String,
    #[serde(rename = "country_codes")]
    _country_codes: Vec<String>,
    #[serde(rename = "options")]
    _options: Option<Value>,
}

fn institution_view(institution: &crate::world::Institution) -> Value {
    json!({
        "institution_id": institution.institution_id,
        "name": institution.name,
        "products": ["auth", "balance", "identity", "transactions"],
        "country_codes": ["US"],
        "url": null,
        "primary_color": null,
        "logo": null,
        "routing_numbers": [],
        "dtc_numbers": [],
        "oauth": institution.institution_id == "ins_127287",
    })
}

fn institution_get(call: &mut Call<'_>, request: &InstitutionRequest) -> Answer {
    let institution = call.world.institution(&request.institution_id)?;
    ok(json!({"institution": institution_view(institution)}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InstitutionsRequest {
    count: usize,
    offset: usize,
    #[serde(rename = "country_codes")]
    _country_codes: Vec<String>,
}

fn institutions_get(call: &mut Call<'_>, request: &InstitutionsRequest) -> Answer {
    let all = &call.world.institutions;
    let shown: Vec<_> = all.iter().skip(request.offset).take(request.count).map(institution_view).collect();
    ok(json!({"institutions": shown, "total": all.len()}))
}

fn reset_login(call: &mut Call<'_>, request: &TokenRequest) -> Answer {
    let item = call.item(&request.access_token)?;
    item.login_required = true;
    let error = item.usable().err().map(|error| error.body(""));
    due(call, &request.access_token, "ITEM", "ERROR", json!({"error": error}))?;
    ok(json!({"reset_login": true}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FireWebhook {
    access_token: String,
    webhook_code: String,
    webhook_type: Option<String>,
}

fn fire_webhook(call: &mut Call<'_>, request: &FireWebhook) -> Answer {
    if call.item(&request.access_token)?.webhook.is_none() {
        return Err(PlaidError {
            kind: "SANDBOX_ERROR",
            ..PlaidError::request("SANDBOX_WEBHOOK_INVALID", "the item has no webhook")
        });
    }
    let kind = request.webhook_type.as_deref().unwrap_or("TRANSACTIONS");
    let body = match request.webhook_code.as_str() {
        "SYNC_UPDATES_AVAILABLE" => {
            json!({"initial_update_complete": true, "historical_update_complete": true})
        }
        _ => json!({"error": null}),
    };
    due(call, &request.access_token, kind, &request.webhook_code, body)?;
    ok(json!({"webhook_fired": true}))
}

/// The webhook that says that there is news.
fn updated(call: &mut Call<'_>, access_token: &str) -> Result<(), PlaidError> {
    let body = json!({"initial_update_complete": true, "historical_update_complete": true});
    due(call, access_token, "TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", body)
}

/// Writes down a webhook that is due.
fn due(
    call: &mut Call<'_>,
    access_token: &str,
    kind: &str,
    code: &str,
    body: Value,
) -> Result<(), PlaidError> {
    let item = call.item(access_token)?;
    let (Some(url), Value::Object(mut body)) = (item.webhook.clone(), body) else { return Ok(()) };
    body.insert("webhook_type".to_owned(), json!(kind));
    body.insert("webhook_code".to_owned(), json!(code));
    body.insert("item_id".to_owned(), json!(item.item_id));
    body.insert("environment".to_owned(), json!("sandbox"));
    call.world.webhooks.push(Webhook { url, body: Value::Object(body) });
    Ok(())
}

fn invalidate(call: &mut Call<'_>, request: &TokenRequest) -> Answer {
    call.item(&request.access_token)?;
    let token = call.world.rotate(&request.access_token);
    ok(json!({"new_access_token": token}))
}
