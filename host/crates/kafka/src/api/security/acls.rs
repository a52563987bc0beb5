//! DescribeAcls, CreateAcls, DeleteAcls (keys 29 to 31), as a broker without an authorizer answers them.

use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse,
};
use kafka_protocol::protocol::StrBytes;

fn why() -> Option<StrBytes> {
    Some(StrBytes::from_static_str(
        "there is no authorizer: everybody who reaches this server may do anything",
    ))
}

pub(crate) fn describe(_request: &DescribeAclsRequest) -> DescribeAclsResponse {
    let response = DescribeAclsResponse::default();
    response.with_error_code(Code::SecurityDisabled.code()).with_error_message(why())
}

pub(crate) fn create(request: &CreateAclsRequest) -> CreateAclsResponse {
    let refused =
        AclCreationResult::default().with_error_code(Code::SecurityDisabled.code()).with_error_message(why());
    CreateAclsResponse::default().with_results(vec![refused; request.creations.len()])
}

pub(crate) fn delete(request: &DeleteAclsRequest) -> DeleteAclsResponse {
    let refused = DeleteAclsFilterResult::default()
        .with_error_code(Code::SecurityDisabled.code())
        .with_error_message(why());
    DeleteAclsResponse::default().with_filter_results(vec![refused; request.filters.len()])
}
