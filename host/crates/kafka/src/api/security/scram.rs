//! DescribeUserScramCredentials and AlterUserScramCredentials (keys 50 and 51): nobody has any, as there is no log-in.

use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use kafka_protocol::messages::describe_user_scram_credentials_response::DescribeUserScramCredentialsResult;
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
};
use kafka_protocol::protocol::StrBytes;

const NO_SUCH_USER: &str = "nobody of this name has credentials";
const NO_LOG_IN: &str = "this server has no log-in, so credentials would protect nothing";

pub(crate) fn describe(request: DescribeUserScramCredentialsRequest) -> DescribeUserScramCredentialsResponse {
    let unknown = |name: StrBytes| {
        DescribeUserScramCredentialsResult::default()
            .with_user(name)
            .with_error_code(Code::ResourceNotFound.code())
            .with_error_message(Some(StrBytes::from_static_str(NO_SUCH_USER)))
    };
    let asked = request.users.unwrap_or_default();
    DescribeUserScramCredentialsResponse::default()
        .with_error_message(None)
        .with_results(asked.into_iter().map(|user| unknown(user.name)).collect())
}

pub(crate) fn alter(request: AlterUserScramCredentialsRequest) -> AlterUserScramCredentialsResponse {
    let refused = |user: StrBytes, code: Code, why| {
        AlterUserScramCredentialsResult::default()
            .with_user(user)
            .with_error_code(code.code())
            .with_error_message(Some(StrBytes::from_static_str(why)))
    };
    let deleted =
        request.deletions.into_iter().map(|one| refused(one.name, Code::ResourceNotFound, NO_SUCH_USER));
    let set = request
        .upsertions
        .into_iter()
        .map(|one| refused(one.name, Code::UnsupportedSaslMechanism, NO_LOG_IN));
    AlterUserScramCredentialsResponse::default().with_results(deleted.chain(set).collect())
}
