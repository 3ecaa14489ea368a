-- Which other sites and search engines send visits?
SELECT channel, coalesce(source, referrer_host) AS referrer, count(*) AS visits
FROM visits
WHERE site = ? AND dt BETWEEN ? AND ? AND coalesce(source, referrer_host) IS NOT NULL
GROUP BY channel, coalesce(source, referrer_host)
ORDER BY visits DESC, referrer
LIMIT 100
