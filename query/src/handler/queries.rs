//! `/v1/queries`: questions for Athena, and their answers by ids that hold all that these are made of.

use std::sync::Arc;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;

use super::{Answered, Failed, NOT_ALLOWED, Query, Request, body, failed};
use crate::ask::Given;
use crate::athena::Sealed;
use crate::question::{Engine, PARAMETERS, Parameters, Refused};
use crate::work::Work;

/// Where such a question is put; below it lie the answers.
pub(super) const PATH: &str = "/v1/queries";
/// What may be asked of an answer besides.
const OF_ANSWERS: [&str; 2] = ["format", "redirect"];

const NO_QUERY: Failed =
    failed(404, "Not found", "there is no such query, or it is another token's");

/// The parameters of a question that Athena is to answer.
pub(super) fn parameters(event: &ApiGatewayV2httpRequest) -> Result<Parameters, Failed> {
    Parameters::parse(event.raw_query_string.as_deref().unwrap_or_default(), &[])?;
    let mut parameters = Parameters::from_json(&body(event)?, &PARAMETERS)?;
    if parameters.one_of("engine", &Engine::NAMES)? == Engine::Scan {
        let detail = format!("{PATH} is for Athena; ask {} with engine=scan", super::SITES_PATH);
        return Err(Refused::new("engine", "scan", detail).into());
    }
    parameters.set("engine", "athena");
    Ok(parameters)
}

impl Query {
    /// The answer of a query, or how far it is.
    pub(super) async fn query_answer(
        &self,
        id: &str,
        request: &Request<'_>,
    ) -> Result<Answered, Failed> {
        let query = request.event.raw_query_string.as_deref().unwrap_or_default();
        let besides = Parameters::parse(query, &OF_ANSWERS)?;
        let sealed = request.token.and_then(|token| Sealed::open(id, token)).ok_or(NO_QUERY)?;
        if !sealed.sites.iter().all(|site| request.covers(*site)) {
            return Err(NOT_ALLOWED);
        }
        let mut parameters = Parameters::from(sealed.parameters.clone());
        for name in OF_ANSWERS {
            if let Some(value) = besides.of(name) {
                parameters.set(name, value);
            }
        }
        let given = Given {
            sites: &sealed.sites,
            by_sites: sealed.by_sites,
            parameters: &parameters,
            listing: None,
            work: &Arc::new(Work::begin(Arc::clone(&self.clock))),
        };
        let answered = self.finish_query((id, &sealed), &given, request).await?;
        answered.ok_or(NO_QUERY)
    }
}
