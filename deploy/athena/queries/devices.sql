-- What do people look at the site with?
SELECT device, os, browser, count(*) AS visits,
  avg(CAST(visit_duration_s AS double)) AS avg_visit_duration
FROM visits
WHERE site = ? AND dt BETWEEN ? AND ?
GROUP BY device, os, browser
ORDER BY visits DESC, device, os, browser
LIMIT 100
