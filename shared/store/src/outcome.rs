//! What DynamoDB's refusals mean.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
};
use domain::store::StoreError;

/// The service failed, or the way to it. Only the code goes on, never a row.
pub(crate) fn unavailable<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> StoreError {
    match error.code() {
        Some("TransactionConflictException") => return StoreError::Busy,
        Some(code @ ("ValidationException" | "SerializationException" | "ResourceNotFoundException")) => {
            return StoreError::Refused(code.to_owned());
        }
        _ => {}
    }
    let kind = match error {
        SdkError::TimeoutError(_) => "timeout",
        SdkError::DispatchFailure(_) => "unreachable",
        SdkError::ResponseError(_) => "unreadable answer",
        SdkError::ConstructionFailure(_) => "request could not be built",
        _ => error.code().unwrap_or("unknown"),
    };
    StoreError::Unavailable(kind.to_owned())
}

/// A request of ours that the SDK would not build: a bug, told by the field's name.
pub(crate) fn unbuildable(_error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Corrupt("a request without a required field")
}

/// Why a transaction was cancelled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// A condition did not hold; the action's place in the list.
    Condition(usize),
    /// Another transaction was at one of the rows.
    Conflict,
    /// Something that passes, or that we cannot tell.
    Failed(StoreError),
}

pub(crate) fn cancelled<R>(error: &SdkError<TransactWriteItemsError, R>) -> Cancelled {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
    else {
        return Cancelled::Failed(unavailable(error));
    };
    let codes: Vec<_> =
        cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None")).collect();
    if let Some(place) = codes.iter().position(|code| *code == "ConditionalCheckFailed") {
        return Cancelled::Condition(place);
    }
    if codes.contains(&"TransactionConflict") {
        return Cancelled::Conflict;
    }
    if codes.contains(&"ValidationError") {
        return Cancelled::Failed(StoreError::Refused("ValidationError".to_owned()));
    }
    let code = codes.into_iter().find(|code| *code != "None").unwrap_or("TransactionCanceled");
    Cancelled::Failed(StoreError::Unavailable(code.to_owned()))
}
