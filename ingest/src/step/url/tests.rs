use std::sync::{Arc, LazyLock};

use lake::clock::{Clock, ManualClock};
use lake::site::{SiteCache, SiteSettings, put_site};
use lake::store::{StoreRef, memory::MemoryStore};
use proptest::prelude::*;

use super::*;

fn site(settings: &str) -> Arc<Site> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
        let settings = SiteSettings::parse(settings).unwrap();
        put_site(&store, &settings, 0, false).await.unwrap();
        SiteCache::new(store, clock, 1).get(settings.id).await.unwrap().unwrap()
    })
}

fn cleaned(url: &str, site: &Site) -> Draft {
    let mut draft = Draft { url: Some(url.to_owned()), ..Draft::default() };
    clean(&mut draft, site).unwrap();
    draft
}

/// Host, path and query joined.
fn page(draft: &Draft) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let query = draft.hit.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
    format!("{} {}{query}", text(&draft.hit.host), text(&draft.hit.path))
}

#[test]
fn urls_become_pages() {
    let site = site(
        r#"{"id":1,"hosts":["Shop.example"],"excluded_parameters":["Token"],"site_search":{"on":false}}"#,
    );
    for (url, expected) in [
        ("https://Www.Shop.example:8443/A/b?x=1#top", "www.shop.example /A/b?x=1"),
        ("https://user:pw@a.example", "a.example /"),
        ("http://[2001:DB8::1]:80/x", "2001:db8::1 /x"),
        ("https://münchen.example/ü", "münchen.example /ü"),
        ("https://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example /"),
        ("/app/products/42?utm_source=x", "shop.example /app/products/42"),
        ("app", "shop.example /app"),
        ("//b.example/x", "b.example /x"),
        ("", " "),
        ("https://a.example?x=1", "a.example /?x=1"),
        ("https://a.example/p;b=1;c=2", "a.example /p?b=1&c=2"),
        ("https://a.example/p;b=1?c=2;d=3", "a.example /p?b=1&c=2&d=3"),
        ("https://a.example/p?b=1;c=2", "a.example /p?b=1;c=2"),
        ("https://a.example/?dclid=1&ttclid=2&li_fat_id=3&a=1", "a.example /?a=1"),
        (
            "https://a.example/?rdt_cid=1&epik=2&ScCid=3&tblci=4&obclid=5&epikal=6",
            "a.example /?epikal=6",
        ),
        ("https://a.example/?TOKEN=1&gclid=2&PHPSESSID=3&a=%41", "a.example /?a=%41"),
        ("https://a.example/?a[]=1&token[]=2&a[]=3", "a.example /?a[]=1&a[]=3"),
        (" https://a.example/x\n\r\0y ", "a.example /xy"),
        ("https://a.example/?u=https://b.example/", "a.example /?u=https://b.example/"),
        ("/redirect/https://b.example/", "shop.example /redirect/https://b.example/"),
    ] {
        assert_eq!(page(&cleaned(url, &site)), expected, "{url}");
    }
}

#[test]
fn the_campaign_comes_from_the_query_then_the_fragment_then_beside() {
    let site = site(r#"{"id":1}"#);
    let campaign = |url: &str, beside: &[(&str, &str)]| {
        let parameters = beside.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut draft = Draft { url: Some(url.to_owned()), parameters, ..Draft::default() };
        clean(&mut draft, &site).unwrap();
        draft.hit.campaign.map(|found| (found.name, found.term.unwrap_or_default()))
    };
    let of = |name: &str, term: &str| Some((name.to_owned(), term.to_owned()));
    let long =
        "http://e.org/i?utm_campaign=GA Campaign&piwik_kwd=Piwik kwd&utm_term=no#pk_campaign=no";
    assert_eq!(campaign(long, &[]), of("ga campaign", "piwik kwd"));
    assert_eq!(campaign("http://e.org/#pk_campaign=A+B&pk_kwd=K", &[]), of("a b", "k"));
    assert_eq!(campaign("http://e.org/?utm_campaign=&utm_source=News", &[]), of("news", ""));
    assert_eq!(campaign("http://e.org/?pk_kwd=k", &[("utm_medium", "Mail")]), of("mail", ""));
    assert_eq!(campaign("http://e.org/?a=1", &[]), None);
    assert_eq!(campaign("http://e.org/?utm_source=x&ignore_referrer=1", &[]), None);
}

#[test]
fn a_keyword_makes_a_search_and_goes() {
    let site =
        site(r#"{"id":1,"site_search":{"on":true,"keyword":["q","Query"],"category":["cat"]}}"#);
    let draft =
        cleaned("https://a.example/s?x=1&QUERY=red+sh%C3%B6es&cat=Shop&search_count=3", &site);
    assert_eq!(draft.hit.kind, Kind::Search);
    assert_eq!(draft.hit.search_term.as_deref(), Some("red shöes"));
    assert_eq!(draft.hit.search_category.as_deref(), Some("Shop"));
    assert_eq!(draft.hit.search_results, Some(3));
    assert_eq!(page(&draft), "a.example /s?x=1&search_count=3");
    assert_eq!(cleaned("https://a.example/s?q=&x=1", &site).hit.kind, Kind::Pageview);
    let mut event = Draft { url: Some("https://a.example/?q=x".to_owned()), ..Draft::default() };
    event.hit.kind = Kind::Event;
    clean(&mut event, &site).unwrap();
    assert_eq!((event.hit.kind, page(&event).as_str()), (Kind::Event, "a.example /?q=x"));
}

#[test]
fn a_kept_fragment_ends_the_page() {
    let site = site(r#"{"id":1,"keep_fragment":true,"site_search":{"on":false}}"#);
    for (url, expected) in [
        ("https://a.example/x#top", "a.example /x#top"),
        ("https://a.example/x?a=1#top", "a.example /x?a=1#top"),
        ("https://a.example/x?a=1#b=2&utm_source=n", "a.example /x?a=1#b=2"),
        ("https://a.example/x#", "a.example /x"),
    ] {
        assert_eq!(page(&cleaned(url, &site)), expected, "{url}");
    }
}

#[test]
fn referrers_are_internal_by_host_and_may_be_anything() {
    let site = site(r#"{"id":1,"hosts":["shop.example"]}"#);
    for (referrer, internal) in [
        ("https://SHOP.example/x", true),
        ("https://page.example/", true),
        ("https://other.example/", false),
        ("/app/products/42", false),
        ("", false),
        ("\u{0}", false),
    ] {
        let mut draft = Draft {
            url: Some("https://page.example/".to_owned()),
            referrer: Some(referrer.to_owned()),
            ..Draft::default()
        };
        clean(&mut draft, &site).unwrap();
        assert_eq!(draft.hit.referrer_internal, internal, "{referrer}");
    }
}

#[test]
fn unknown_hosts_are_dropped_where_the_site_asks_for_it() {
    let site = site(r#"{"id":1,"hosts":["shop.example"],"exclude_unknown_hosts":true}"#);
    for (url, kept) in
        [("https://shop.example/", true), ("/x", true), ("https://a.example/", false), ("", false)]
    {
        let mut draft = Draft { url: Some(url.to_owned()), ..Draft::default() };
        assert_eq!(clean(&mut draft, &site).is_ok(), kept, "{url}");
    }
}

proptest! {
    #[test]
    fn any_url_is_cleaned_within_limits(url in any::<String>(), tail in "[;?#&=%\\[\\]a/:.@é]{0,40}") {
        static SITE: LazyLock<Arc<Site>> =
            LazyLock::new(|| site(r#"{"id":1,"hosts":["a.example"],"keep_fragment":true}"#));
        let draft = cleaned(&format!("http://h.example/{tail}{url}"), &SITE);
        for text in [&draft.hit.path, &draft.hit.query, &draft.hit.search_term] {
            prop_assert!(text.as_ref().is_none_or(|text| text.len() <= MAX_TEXT_BYTES));
        }
        prop_assert!(draft.hit.path.is_some_and(|path| path.starts_with('/')));
    }
}
