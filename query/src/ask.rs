//! One question of one or several sites: from parameters to the body of its answer.
//!
//! Each site has its own settings and zone, and so its own plan; what is counted comes together.
//! Whether somebody may ask is decided before.

mod beyond;
mod said;
mod sites;
mod zones;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use lake::limits::MAX_ANSWER_VALUES;
use lake::site::{Identity, Site};

use crate::answer::{self, Compared, Facts, Written, arrow_body, csv_body, json_body};
use crate::count::Counted;
use crate::handler::{
    Answered, Failed, NO_SITE, Query, Request, failed_scan, fill_in_format, has_changed, next_page,
    too_large, unread,
};
use crate::plan::Plan;
use crate::question::{Engine, Format, Parameters, Question, Refused, Surroundings};
use crate::scan::version::of_both;
use crate::scan::{Listed, Listing};
use crate::sql::Unsaid;
use crate::version::{self, Asking};
use crate::work::Work;
pub(crate) use sites::{of_all, sites};
use zones::{calendar, identities, one_zone_of_hours, partitions, timezone, today};

/// A site with the question that it is asked.
struct Asked {
    site: Arc<Site>,
    question: Question,
}

/// What is scanned for each site: a plan, and the partitions in the order of time.
type Plans = Vec<(Arc<Plan>, Vec<Date>)>;

/// The plans of a question, and those of the dates it is compared with.
struct Planned {
    now: Plans,
    before: Plans,
    /// The question of the earlier dates.
    compared: Option<Question>,
}

/// A question as it came.
pub(crate) struct Given<'a> {
    /// The sites that it is about.
    pub(crate) sites: &'a [i32],
    /// It named them itself.
    pub(crate) by_sites: bool,
    /// Its parameters.
    pub(crate) parameters: &'a Parameters,
    /// What there is of its dates, where that is known already.
    pub(crate) listing: Option<&'a Listing>,
    /// What it takes.
    pub(crate) work: &'a Arc<Work>,
}

/// A question, read and worked out for each of its sites.
struct Prepared {
    asked: Vec<Asked>,
    planned: Planned,
    by_sites: bool,
    /// Today in the zone of the dates.
    today: Date,
    work: Arc<Work>,
}

/// What was counted of a question.
struct Found {
    counted: Counted,
    compared: Option<Counted>,
    /// Partitions whose hits are not all in it.
    waiting: BTreeSet<Date>,
    /// Up to when hits are in it, Unix milliseconds.
    as_of_ms: i64,
}

impl Query {
    /// Answers a question.
    pub(crate) async fn metrics(
        &self,
        given: &Given<'_>,
        request: &Request<'_>,
    ) -> Result<Answered, Failed> {
        let mut parameters = given.parameters.clone();
        fill_in_format(&request.event.headers, &mut parameters)?;
        let prepared = self.prepare(given, &parameters).await?;
        let question = prepared.question()?;
        let listed = self.list(&prepared.planned, given.listing).await?;
        if question.engine == Engine::Athena {
            return Ok(self.begin(&prepared, given, request, &listed).await??);
        }
        let asking = prepared.asking()?;
        if question.explain {
            prepared.work.says(prepared.sql()?);
        }
        let tag = asking.tag(&listed.each_ref().map(|listed| listed.version));
        let event = request.event;
        let asks_again = version::has((&event.request_context.http.method, &event.headers), &tag);
        if asks_again && !question.explain {
            let unchanged = Answered::new(304, question.format.media_type(), Vec::new());
            return Ok(unchanged.with(version::headers(&tag)));
        }
        if self.is_beyond(&prepared, request, &listed).await?
            && let Ok(begun) = self.begin(&prepared, given, request, &listed).await?
        {
            return Ok(begun);
        }
        let found = self.count(&prepared.planned, listed).await?;
        let (kind, Written { body, next, changed }) = prepared.write(found)?;
        let next = next.and_then(|next| next_page(event, question, &next));
        let kept = if question.explain { Vec::new() } else { version::headers(&tag) };
        let changed = changed.map(has_changed);
        Ok(Answered::new(200, kind, body).with(kept).with(next).with(changed))
    }

    /// Reads a question with these parameters.
    async fn prepare(
        &self,
        given: &Given<'_>,
        parameters: &Parameters,
    ) -> Result<Prepared, Failed> {
        let Given { sites: ids, by_sites, work, .. } = *given;
        let now_ms = self.clock.now_ms();
        let mut asked: Vec<Asked> = Vec::new();
        // Side by side, so that many sites wait for the store as one does.
        let sites = futures_util::future::try_join_all(ids.iter().map(|id| self.site(*id))).await?;
        for site in sites {
            // The dates are one site's: all questions are about the same.
            let first = asked.first().map_or(&site, |first| &first.site);
            let today = |zone: Option<&TimeZone>| today(first, zone, now_ms);
            let question = Question::from_parameters(
                parameters,
                &Surroundings {
                    sites: ids,
                    today: &today,
                    sections: &site.settings.sections,
                    segments: &site.settings.segments,
                },
            )?;
            asked.push(Asked { site, question });
        }
        one_zone_of_hours(&asked)?;
        let Some(first) = asked.first() else { return Err(NO_SITE) };
        let today = today(&first.site, first.question.tz.as_ref(), now_ms);
        let planned = planned(&asked, work)?;
        Ok(Prepared { asked, planned, by_sites, today, work: Arc::clone(work) })
    }

    pub(crate) async fn site(&self, id: i32) -> Result<Arc<Site>, Failed> {
        self.sites.get(id).await.map_err(|error| unread(&error))?.ok_or(NO_SITE)
    }

    /// The objects of both ranges of dates, out of what was listed ahead.
    async fn list(
        &self,
        planned: &Planned,
        ahead: Option<&Listing>,
    ) -> Result<[Listed; 2], Failed> {
        let scanner = &self.scanner;
        let lists = futures_util::future::try_join(
            scanner.list(&planned.now, ahead),
            scanner.list(&planned.before, ahead),
        );
        let (now, before) = lists.await.map_err(|error| failed_scan(&error))?;
        Ok([now, before])
    }

    /// Counts the question and, side by side, that of the dates it is compared with.
    async fn count(&self, planned: &Planned, [now, before]: [Listed; 2]) -> Result<Found, Failed> {
        let memory = self.scanner.memory();
        let scans = futures_util::future::try_join(
            self.scanner.scan(&planned.now, now, &memory),
            self.scanner.scan(&planned.before, before, &memory),
        );
        let (scanned, before) = scans.await.map_err(|error| failed_scan(&error))?;
        let now = scanned.counted.data.zip(before.counted.data);
        let data = now.map(|(now, before)| of_both(now, before));
        Ok(Found {
            counted: Counted { data, ..scanned.counted },
            compared: planned.compared.as_ref().map(|_| before.counted),
            waiting: scanned.waiting,
            as_of_ms: self.clock.now_ms(),
        })
    }
}

impl Prepared {
    /// The question, as its first site is asked it.
    fn question(&self) -> Result<&Question, Failed> {
        self.asked.first().map(|first| &first.question).ok_or(NO_SITE)
    }

    /// What decides about the version of an answer, the data aside.
    fn asking(&self) -> Result<Asking, Failed> {
        let settings = self.asked.iter().map(|asked| &asked.site.settings);
        Ok(Asking::of(self.question()?, settings, self.today))
    }

    /// The question as SQL; within it, why it cannot be said so.
    fn sql(&self) -> Result<Result<String, Unsaid>, Refused> {
        said::sql(&self.asked, &self.planned.now, &self.planned.before)
    }

    /// The answer: its media type and body.
    fn write(&self, found: Found) -> Result<(&'static str, Written), Failed> {
        let question = self.question()?;
        let plan = &self.planned.now.first().ok_or(NO_SITE)?.0;
        let Found { counted, compared, waiting, as_of_ms } = found;
        if answer::values(question, plan, &counted) > MAX_ANSWER_VALUES {
            return Err(too_large());
        }
        let first = self.planned.before.first().map(|it| &it.0);
        let compared = self.planned.compared.clone().zip(first).zip(compared);
        let compared = compared.map(|((question, plan), counted)| Compared {
            question,
            plan: Arc::clone(plan),
            counted,
        });
        let identities: Vec<Identity> = self.asked.iter().flat_map(identities).collect();
        let facts = Facts {
            by_sites: self.by_sites,
            timezone: timezone(&self.asked),
            identities: &identities,
            waiting: &waiting,
            today: self.today,
            as_of_ms,
        };
        let compared = compared.as_ref();
        Ok(match question.format {
            Format::Json => {
                (Format::Json.media_type(), json_body(question, plan, &counted, compared, &facts))
            }
            Format::Csv => {
                ("text/csv; charset=utf-8", csv_body(question, plan, &counted, compared))
            }
            Format::Arrow => {
                let written = arrow_body(question, plan, &counted, compared);
                (Format::Arrow.media_type(), written.map_err(|error| failed_scan(&error.into()))?)
            }
        })
    }
}

fn planned(asked: &[Asked], work: &Arc<Work>) -> Result<Planned, Refused> {
    let mut planned = Planned { now: Vec::new(), before: Vec::new(), compared: None };
    for (number, Asked { site, question }) in (0_u32..).zip(asked) {
        planned.now.push(plan(site, question, number, work));
        if let Some(before) = question.compared()? {
            planned.before.push(plan(site, &before, number, work));
            planned.compared.get_or_insert(before);
        }
    }
    Ok(planned)
}

fn plan(
    site: &Site,
    question: &Question,
    site_number: u32,
    work: &Arc<Work>,
) -> (Arc<Plan>, Vec<Date>) {
    let calendar = calendar(question, site);
    let partitions = partitions(&calendar, site);
    let plan = Plan::new(site.settings.id, question, calendar);
    let (goals, work) = (site.settings.goals.clone(), Arc::clone(work));
    (Arc::new(Plan { goals, site_number, work, ..plan }), partitions)
}
