//! HTTP `/v1`: resources to calls on the log, the modules and the processors; the OpenAPI document is made from the code.
//! In come requests, out go calls on the rooms' doors and answers in the words of [`api`]. The only crate naming hyper and axum.

pub mod api;
