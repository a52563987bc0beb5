//! DescribeClientQuotas and AlterClientQuotas (keys 48 and 49): there are none, and none can be set.

use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
};
use kafka_protocol::protocol::StrBytes;

pub(crate) fn describe(_request: &DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    DescribeClientQuotasResponse::default().with_error_message(None).with_entries(Some(Vec::new()))
}

pub(crate) fn alter(request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let mut entries = Vec::new();
    for asked in request.entries {
        let entity = asked.entity.into_iter().map(|one| {
            EntityData::default().with_entity_type(one.entity_type).with_entity_name(one.entity_name)
        });
        let told = EntryData::default().with_error_message(None).with_entity(entity.collect());
        // to remove what is not there changes nothing, and is done
        entries.push(if asked.ops.iter().all(|op| op.remove) {
            told
        } else {
            let why = StrBytes::from_static_str("this server has no quotas");
            told.with_error_code(Code::InvalidRequest.code()).with_error_message(Some(why))
        });
    }
    AlterClientQuotasResponse::default().with_entries(entries)
}
