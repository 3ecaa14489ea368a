-- Which campaigns bring visits, and do these visits convert?
SELECT campaign, campaign_source, campaign_medium, count(DISTINCT visit_id) AS visits,
  count(DISTINCT visit_id) FILTER (WHERE is_conversion) AS converted_visits,
  coalesce(sum(revenue) FILTER (WHERE is_conversion), 0) AS revenue
FROM hits
WHERE site = ? AND dt BETWEEN ? AND ? AND campaign IS NOT NULL AND bot_reason IS NULL
GROUP BY campaign, campaign_source, campaign_medium
ORDER BY visits DESC, campaign
LIMIT 100
