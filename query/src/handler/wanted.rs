//! What a request asks for, as far as it says so itself. Reads no store.

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use http::Method;
use lake::token::Token;

use super::target::{LIVE, SITES_PATH, Target};
use super::{Failed, NOT_ALLOWED, NOT_FOUND, body, queries};
use crate::question::{PARAMETERS, Parameters, Refused};
use crate::{ask, ledger, report};

/// What a request asks for.
pub(super) enum Wanted<'a> {
    /// Metrics.
    Metrics(Named),
    /// The last minutes of a site.
    Live(i32),
    /// The ledger of a site.
    Ledger(i32),
    /// Which sites there are.
    List,
    /// The answer of Athena with this id.
    Answer(&'a str),
}

/// A question of metrics.
pub(super) struct Named {
    /// The sites; none: all that the token opens.
    pub(super) sites: Option<Vec<i32>>,
    /// It named them itself, not its path.
    pub(super) by_sites: bool,
    pub(super) parameters: Parameters,
}

impl<'a> Wanted<'a> {
    /// What a request asks for.
    pub(super) fn of(
        target: Option<&Target<'a>>,
        event: &ApiGatewayV2httpRequest,
    ) -> Result<Self, Failed> {
        Ok(match target {
            None => return Err(NOT_FOUND),
            Some(Target::Site(site, LIVE)) => Self::Live(*site),
            Some(Target::Site(site, ledger::NAME)) => Self::Ledger(*site),
            Some(Target::Site(site, report)) => Self::Metrics(of_site(*site, report, event)?),
            Some(Target::Sites) => Self::Metrics(of_sites(event)?),
            Some(Target::Queries) => Self::Metrics(by_sites(queries::parameters(event)?)?),
            Some(Target::List) => Self::List,
            Some(Target::Query(id)) => Self::Answer(id),
        })
    }

    /// The question, where it is one of metrics.
    pub(super) fn named(&self) -> Option<&Named> {
        if let Self::Metrics(named) = self { Some(named) } else { None }
    }
}

/// Whether a token opens what is asked for: the same answer whether there is such a site or not.
pub(super) fn allow(
    token: &Token,
    target: Option<&Target<'_>>,
    named: Option<&Named>,
) -> Result<(), Failed> {
    let covers = |site: &i32| token.covers(*site);
    let is_allowed = match (target, named.and_then(|named| named.sites.as_ref())) {
        // Said to be not there, by the token of any.
        (None, _) => true,
        (Some(Target::Site(site, _)), _) => token.read && covers(site),
        (Some(_), sites) => token.read && sites.is_none_or(|sites| sites.iter().all(covers)),
    };
    if is_allowed { Ok(()) } else { Err(NOT_ALLOWED) }
}

fn query_of(event: &ApiGatewayV2httpRequest) -> &str {
    event.raw_query_string.as_deref().unwrap_or_default()
}

/// A report of one site.
fn of_site(site: i32, report: &str, event: &ApiGatewayV2httpRequest) -> Result<Named, Failed> {
    let mut parameters = Parameters::parse(query_of(event), &PARAMETERS)?;
    if let Some(sites) = parameters.of("sites") {
        let detail = format!("the path names the site; ask {SITES_PATH} for several");
        return Err(Refused::new("sites", sites, detail).into());
    }
    if !report::fill_in(report, &mut parameters) {
        return Err(NOT_FOUND);
    }
    Ok(Named { sites: Some(vec![site]), by_sites: false, parameters })
}

/// The metrics of several sites.
fn of_sites(event: &ApiGatewayV2httpRequest) -> Result<Named, Failed> {
    by_sites(if event.request_context.http.method == Method::POST {
        Parameters::parse(query_of(event), &[])?;
        Parameters::from_json(&body(event)?, &PARAMETERS)?
    } else {
        Parameters::parse(query_of(event), &PARAMETERS)?
    })
}

fn by_sites(parameters: Parameters) -> Result<Named, Failed> {
    Ok(Named { sites: ask::sites(parameters.of("sites"))?, by_sites: true, parameters })
}
