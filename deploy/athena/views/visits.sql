-- One row a visit of people: who came, from where, with what, and how far they went.
-- columns: site int, dt string, visit_id string, visitor_id string, user_id string, visit_start timestamp,
-- entry_path string, exit_path string, visit_hits int, visit_pageviews int, visit_actions int,
-- visit_duration_s int, is_bounce boolean, visitor_type string, channel string, source string, keyword string,
-- referrer_host string, referrer_path string, campaign string, campaign_source string, campaign_medium string,
-- campaign_term string, campaign_content string, country string, region string, city string, language string,
-- device string, brand string, model string, os string, os_version string, browser string,
-- browser_version string, screen string
SELECT site, dt, visit_id, visitor_id, user_id, visit_start,
  entry_path, exit_path, visit_hits, visit_pageviews, visit_actions,
  visit_duration_s, is_bounce, visitor_type, channel, source, keyword,
  referrer_host, referrer_path, campaign, campaign_source, campaign_medium,
  campaign_term, campaign_content, country, region, city, language,
  device, brand, model, os, os_version, browser,
  browser_version, screen
FROM hits
WHERE is_entry AND bot_reason IS NULL
