"""What must be true of deploy/cloudfront.yaml beside the main template and what ingest reads."""

import re

import check

FRONT = check.written(check.FRONT)
MAIN = check.written()
DISTRIBUTION = FRONT["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
INGEST = "\n".join(path.read_text() for path in sorted((check.ROOT / "ingest/src").rglob("*.rs")))


def test_secret_is_sent_under_the_name_that_ingest_reads():
    [origin] = DISTRIBUTION["Origins"]
    [header] = origin["OriginCustomHeaders"]
    assert header == {"HeaderName": "x-origin-verify", "HeaderValue": {"Ref": "OriginSecret"}}
    assert f'"{header["HeaderName"]}"' in INGEST


def test_secret_is_hidden_and_domains_are_alike():
    assert FRONT["Parameters"]["OriginSecret"]["NoEcho"] is True
    assert FRONT["Parameters"]["Domain"]["AllowedPattern"] == MAIN["Parameters"]["CollectDomain"]["AllowedPattern"]


def test_ingest_sees_all_headers_but_host_and_no_cookies():
    policy = FRONT["Resources"]["BeaconRequest"]["Properties"]["OriginRequestPolicyConfig"]
    assert policy["CookiesConfig"] == {"CookieBehavior": "none"}
    assert policy["QueryStringsConfig"] == {"QueryStringBehavior": "all"}
    assert policy["HeadersConfig"] == {"HeaderBehavior": "allExcept", "Headers": ["Host"]}
    assert DISTRIBUTION["DefaultCacheBehavior"]["OriginRequestPolicyId"] == {"Ref": "BeaconRequest"}


def test_only_the_tracker_is_kept():
    [tracker] = DISTRIBUTION["CacheBehaviors"]
    routes = {
        event["Properties"]["Path"]
        for function in check.functions(MAIN).values()
        for event in function["Properties"].get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }
    assert tracker["PathPattern"] in routes
    # Managed-CachingDisabled.
    assert DISTRIBUTION["DefaultCacheBehavior"]["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert "POST" in DISTRIBUTION["DefaultCacheBehavior"]["AllowedMethods"]


def test_an_edge_asks_again_when_ingest_says_so():
    cache = FRONT["Resources"]["TrackerCache"]["Properties"]["CachePolicyConfig"]
    age = int(re.search(r"max-age=(\d+)", INGEST)[1])
    assert cache["MinTTL"] <= age <= cache["MaxTTL"]


def test_firewall_takes_no_limit_below_that_of_waf():
    [rule] = FRONT["Rules"]["FirewallHasALimitThatWafTakes"]["Assertions"]
    refused, parameter = rule["Assert"]["Fn::Not"][0]["Fn::Contains"]
    assert (refused, parameter) == ([str(limit) for limit in range(1, 10)], {"Ref": "RequestsPerFiveMinutes"})


def test_nobody_is_written_down():
    assert "Logging" not in DISTRIBUTION, "access logs hold addresses"
    firewall = FRONT["Resources"]["Firewall"]["Properties"]
    rules = [firewall["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in firewall["Rules"])]
    assert not any(it["SampledRequestsEnabled"] for it in rules), "samples hold addresses"
