-- Which countries do visits come from?
SELECT country, count(*) AS visits, count(DISTINCT visitor_id) AS visitors
FROM visits
WHERE site = ? AND dt BETWEEN ? AND ?
GROUP BY country
ORDER BY visits DESC, country
