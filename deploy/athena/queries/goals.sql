-- What did people do that the owner wants them to do, and what was it worth?
SELECT CASE WHEN kind = 'order' THEN 'order' ELSE 'goal ' || CAST(goal_id AS varchar) END AS goal,
  count(*) AS conversions, count(DISTINCT visit_id) AS converted_visits,
  coalesce(sum(revenue), 0) AS revenue
FROM hits
WHERE site = ? AND dt BETWEEN ? AND ? AND is_conversion AND bot_reason IS NULL
GROUP BY 1
ORDER BY conversions DESC, goal
