use tonic::{
    Code, Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::problem::{Kind, Problem};

impl From<Problem> for Status {
    /// The one place where problems become statuses. The message always names the parameter at fault.
    fn from(problem: Problem) -> Self {
        let mut metadata = MetadataMap::new();
        metadata.insert("x-athenaeum-problem", MetadataValue::from_static(problem.kind().parts().1));
        if let Some(wait) = problem.wait() {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            metadata.insert("retry-after", MetadataValue::from(seconds.max(1)));
        }
        let message = match problem.parameter_name() {
            Some(name) if !problem.detail().contains(name) => format!("{name}: {}", problem.detail()),
            _ => problem.detail().to_owned(),
        };
        Self::with_metadata(code(problem.kind()), message, metadata)
    }
}

fn code(kind: Kind) -> Code {
    match kind {
        Kind::BadRequest
        | Kind::BadParameter
        | Kind::ContextLength
        | Kind::NotAcceptable
        | Kind::TargetTooLong
        | Kind::MediaType
        | Kind::HeadersTooLarge => Code::InvalidArgument,
        Kind::Unauthorized => Code::Unauthenticated,
        Kind::ForeignHost | Kind::ForeignOrigin => Code::PermissionDenied,
        Kind::NotFound | Kind::UnknownModel => Code::NotFound,
        Kind::MethodNotAllowed | Kind::Unsupported => Code::Unimplemented,
        Kind::Conflict | Kind::Unprocessable => Code::FailedPrecondition,
        Kind::TooLarge | Kind::RateLimited | Kind::WrongKeys | Kind::QueueFull => Code::ResourceExhausted,
        Kind::Busy | Kind::NoRoom | Kind::Elsewhere => Code::Unavailable,
        Kind::TimedOut | Kind::UploadStalled => Code::DeadlineExceeded,
        Kind::Internal => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_status_names_the_parameter_and_when_to_come_back() {
        let status = Status::from(Problem::parameter("top_p", "a number from 0 to 1"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "The parameter 'top_p' accepts a number from 0 to 1.");
        let status =
            Status::from(Problem::new(Kind::BadRequest, "It is no grammar.").about("response_format"));
        assert_eq!(status.message(), "response_format: It is no grammar.");
        let wait = Duration::from_millis(1_200);
        let status = Status::from(Problem::new(Kind::QueueFull, "Wait.").retry_after(wait));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.metadata().get("retry-after").unwrap(), "2");
        assert_eq!(status.metadata().get("x-athenaeum-problem").unwrap(), "queue-full");
    }
}
