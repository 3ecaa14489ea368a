-- One page view a request, each with an id of its own, as the browser tracker sends it.
local counter, thread_number = 0, 0

function setup(thread)
  thread:set("thread_number", thread_number)
  thread_number = thread_number + 1
end

wrk.method = "POST"
wrk.headers["Content-Type"] = "text/plain"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0"
wrk.headers["Accept-Language"] = "de-DE,de;q=0.9"

function init(args)
  -- Unix milliseconds: the time in a version 7 UUID.
  started_ms = os.time() * 1000
end

function request()
  counter = counter + 1
  local ms = started_ms + math.floor(counter / 8)
  local id = string.format("%08x-%04x-7%03x-8000-%04x%08x", math.floor(ms / 65536), ms % 65536, counter % 4096, thread_number, counter)
  local body = string.format(
    '{"v":1,"site":1,"kind":"pageview","id":"%s","ts":%d,"sent":%d,"url":"https://shop.example/articles/%d?utm_source=news&page=2","referrer":"https://www.google.com/","title":"An article","page_view":"5f0e6a1b2c3d4e5f","screen":"1920x1080","language":"de-DE","timezone":"Europe/Berlin"}',
    id, ms, ms, counter % 5000)
  return wrk.format(nil, "/hit", nil, body)
end

function done(summary, latency, requests)
  io.write(string.format(
    '{"requests":%d,"duration_s":%.3f,"not_2xx":%d,"socket_errors":%d,"p50_ms":%.2f,"p90_ms":%.2f,"p99_ms":%.2f,"max_ms":%.2f}\n',
    summary.requests, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(90) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
