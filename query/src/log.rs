//! The log event of a question.

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::ApiGatewayV2httpResponse;
use lake::metrics::{Ended, Line};

use crate::handler::REQUEST_ID;

/// The line of a question that was answered with this. What was asked may name a visitor, and is
/// not in it.
#[must_use]
pub fn line(answer: &ApiGatewayV2httpResponse, now_ms: i64, ended: Ended) -> Line {
    let bytes = match &answer.body {
        Some(Body::Text(text)) => text.len(),
        Some(Body::Binary(bytes)) => bytes.len(),
        _ => 0,
    };
    let status = answer.status_code;
    Line::new("query", now_ms, ended)
        .count("QuestionsAnswered", u64::from(status < 400))
        .detail("QuestionsRefused", u64::from((400..500).contains(&status)))
        .detail("QuestionsFailed", u64::from(status >= 500))
        .detail("BytesAnswered", bytes as u64)
        .detail("status", status)
        .detail("request_id", request_id(answer))
}

fn request_id(answer: &ApiGatewayV2httpResponse) -> Option<String> {
    let id = answer.headers.get(REQUEST_ID)?.to_str().ok()?;
    Some(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_counts_as_one_thing() {
        for (status, counts) in
            [(200, [1, 0, 0]), (304, [1, 0, 0]), (404, [0, 1, 0]), (503, [0, 0, 1])]
        {
            let mut answer = ApiGatewayV2httpResponse::default();
            answer.status_code = status;
            answer.headers.insert(REQUEST_ID, http::HeaderValue::from_static("abc"));
            answer.body = Some(Body::Text("four".to_owned()));
            let text = line(&answer, 1, Ended::default()).text();
            let line: serde_json::Value = serde_json::from_str(&text).unwrap();
            let names = ["QuestionsAnswered", "QuestionsRefused", "QuestionsFailed"];
            assert_eq!(names.map(|name| line[name].as_u64().unwrap()), counts, "{status}");
            assert_eq!((&line["BytesAnswered"], &line["status"]), (&4.into(), &status.into()));
            assert_eq!(line["request_id"], "abc");
        }
    }
}
