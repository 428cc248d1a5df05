"""What each detector looks for, how it decides, what it needs and where it errs: the one source for CLI and docs.

A code (`AUTH-004`) names a subtype for good: numbers are never used again. `docs/detection.md` holds the text that
`markdown()` makes, between two marks; a test keeps both equal, and another finds subtypes without an entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from detect.sight import VARIABLES
from gatewatch.records import JSON, Kind


@dataclass(frozen=True, slots=True)
class Family:
    """What all codes of a kind share. needs: REQUESTS columns without which it is blind or knows less, and why."""

    kind: Kind
    title: str
    looks: str
    maths: str
    needs: Mapping[str, str]
    settings: tuple[str, ...]
    benign: str
    source: str


@dataclass(frozen=True, slots=True)
class Code:
    """One subtype. apart: how it is told from its neighbours. errs: known false positives and misses."""

    code: str
    kind: Kind
    subtype: str
    means: str
    apart: str
    errs: str
    tune: str

    @property
    def slug(self) -> str:
        return self.subtype.replace("_", "-")


_BUDGET = (
    "`false_alarms_per_week` is the budget of false alarms an API and week, all detectors together; `detector_budgets` "
    "gives a detector one of its own."
)

FAMILIES: tuple[Family, ...] = (
    Family(
        Kind.AUTH_FAILURE_SPIKE,
        "Auth failures",
        "Refused credentials out of line, and whose doing that is. Requests are counted by the cause of their refusal, "
        "not by status: missing, expired, badly signed, unknown and denied credentials, refusals by policy and by the "
        "back end, a failing authorizer, WAF blocks, and probing of paths that never answered are counted apart, by "
        "stage. A single source is watched by itself, too.",
        "A count a minute is compared with its usual rate for the hour of the week (shrunk to simpler averages while "
        "young, moved by the recent level) and with its usual odds to the successes, so that a crowd that brings its "
        "share of typing errors is no alarm. How unlikely the count of a trailing window (1 to 60 minutes, then 3 to "
        "24 hours) is follows from the tail of a negative binomial whose spread is learned from the series itself, and "
        "what such a score is worth from the series' own hourly maxima, some hours late, so that what works itself up "
        "is not its own yardstick; windows of hours are judged by what was expected a day before. Refusals of one "
        "caller come in clusters, callers do not: those who were not refused in the hour before are counted apart, "
        "and four of them (three where that is very rare) are enough where hardly any are usual. The alarm limit "
        "follows from the budget.",
        {
            "status": "without it refusals are not seen at all",
            "error_type": "tells why a request was refused",
            "authorizer_error": "tells an authorizer that fails from one that refuses",
            "integration_status": "tells refusals of the back end from those of the gateway",
            "client_ip": "who: addresses and how many",
            "principal": "who: names tried, a spray or a lock-out",
            "api_key_id": "who: keys",
            "user_agent": "joins many sources into one campaign",
        },
        ("false_alarms_per_week", "detector_budgets"),
        "Login waves, token expiry that clients recover from, newcomers who mistype, offices behind one address, and "
        "the scanners that every API has.",
        "Negative-binomial tail; gamma-Poisson shrinkage; peaks over a threshold (Coles 2001); CUSUM for the onset.",
    ),
    Family(
        Kind.THROTTLING_ABUSE,
        "Throttling abuse",
        "Requests answered 429 out of line: by whom, and whether the caller or the limit is wrong. Offenders and "
        "victims are listed apart.",
        "Throttled requests a minute, and apart from them those refused for a quota, judged like auth failures; of a "
        "quota four refusals of one caller within an hour are enough. The seconds of a minute in which a caller "
        "was refused tell its rhythm: who backs off (a few refusals, seconds apart, then none for minutes) is no "
        "alarm. Who: shares of the excess by key, else principal, else address.",
        {
            "status": "without it 429 is not seen",
            "error_type": "tells quota from rate, and the gateway's limit from the back end's",
            "api_key_id": "who: the key that goes beyond its plan",
            "principal": "who, where there are no keys",
            "client_ip": "who, where there is neither",
            "user_agent": "shows a caller that rotates addresses",
        },
        ("false_alarms_per_week", "detector_budgets"),
        "Clients that back off, nightly batches at their usual hour, short bursts within the burst limit.",
        "Negative-binomial tail; attribution by share of the excess.",
    ),
    Family(
        Kind.DEAD_API,
        "Dead APIs",
        "An API that should answer and does not, or is declared and never called. Needs an inventory for what was "
        "never called, is deprecated or is not declared.",
        "A silence is measured by the requests that were surely to be expected in it: the usual rate of the hour, "
        "never more than what the same tenth of an hour had on other days. It speaks at 15 missed requests, more where "
        "callers come in bursts or the hour was never seen, for stages and, from the third day on (the second, of who "
        "calls all day), for single routes "
        "whose neighbours go on. Server errors in a row are worth the log of their usual share each, at most three a "
        "minute, so that eight of them speak where only one in a hundred failed before. Who stayed away for hours "
        "and came back is not missed at that time of day until he was seen in it; hours that were never seen before "
        "are known afterwards as they were. For a week after clocks change in Europe, North America or Australia, what "
        "was not due an hour earlier or later is not due now. Where one client makes all calls, its rest is no "
        "outage: ten times as many must be missed, or all of ten hours. Calls of monitors and to nothing are "
        "not missed. Only minutes in which some source delivered count. What "
        "is dead has had no call for `dead_after_days` and for one and a half times its longest pause.",
        {
            "status": "without it only silence is seen, not an API that answers with errors alone",
            "route": "dead routes",
        },
        ("false_alarms_per_week", "detector_budgets", "dead_after_days"),
        "Nights, weekends, holidays, monthly jobs, stops of log delivery (all APIs silent at once, or `Count` metrics "
        "that go on), new APIs.",
        "Poisson silence test: evidence is the number of requests missed.",
    ),
    Family(
        Kind.LATENCY_OUTLIER,
        "Latency outliers",
        "Answers slower than this route's own normal, since when, and in which layer: integration, authorizer, WAF, "
        "the gateway itself; by traces also cold start, the function itself, or a named downstream.",
        "Each latency is ranked against the route's own ordinary values of the same hours. A window of 2 minutes to 4 "
        "hours is out of line when its mean rank, or the share beyond its ordinary upper quantiles, is too high for "
        "chance, within the budget, and by enough to matter; each route by itself and all routes of a stage together, "
        "so that a shift of traffic is no slowness. How far a quarter of an hour strays by itself is learned a day "
        "later, so that what creeps is not its own yardstick, but not from fast hours; what a score is worth, "
        "from the stage's own hours. What the gateway itself refused has no latency that counts, nor has a minute in "
        "which that was most, or in which an authorizer refused more than it usually does; where that hid most of what "
        "a route answered for five minutes and more, it is listed for a day with what detectors could not judge. "
        "Larger answers that take longer are set apart. Layers: the rise of each layer is its share of the whole rise. "
        "An authorizer's time, where it is logged, is ranked by itself, too.",
        {
            "latency_ms": "without it there is nothing to judge",
            "integration_latency_ms": "tells the back end from the gateway",
            "authorizer_latency_ms": "tells the authorizer from the gateway",
            "waf_latency_ms": "tells WAF from the gateway",
            "route": "compares like with like",
        },
        ("false_alarms_per_week", "detector_budgets"),
        "Faster answers, larger answers, canaries, more traffic on slow routes; a level that lasts a day is said once "
        "and then normal.",
        "Rank sums (Mann and Whitney 1947) against a reference that forgets; binomial tails.",
    ),
    Family(
        Kind.DATA_QUALITY,
        "Data quality",
        "The logs themselves: not whole, late, poorer than they were, or missing. What else is said rests on them, so "
        'it lowers the confidence of findings, and makes "dead" only "unproven".',
        "Coverage is log lines over CloudWatch `Count` (`$connect` lines over `ConnectCount` of WebSocket "
        "APIs) by stage and five minutes, judged 15 minutes later. Lag is "
        "compared with the latest of the last hours; fields with what nine of ten minutes had before; gaps of all "
        "sources with the usual traffic of the hour.",
        {},
        (),
        "Single windows, losses below a tenth, a usual delay, quiet nights.",
        "Ratios; Poisson tail for the score.",
    ),
    Family(
        Kind.CONFIG_CHANGE,
        "Configuration changes",
        "Settings that let in, let through or hide more than before, each with what it was and is, who changed it and "
        "with what tool; and what was configured and never deployed. Over when the setting is put back. Needs changes "
        "(CloudTrail, EventBridge, AWS Config) or inventories; logs only tell whether what was deleted had callers.",
        "No statistics: the new value is compared with the one before, known by earlier events or by the newest "
        "inventory from before. Where nobody knows it, only what is a risk by itself is told, with less confidence. A "
        "risk is told when it has stood for two minutes. Two inventories that differ tell a change that no event told.",
        {},
        (),
        "The same value again, an authorizer or ACL replaced by another within minutes, refused calls, lower limits, "
        "new authorizers, first policies, methods for OPTIONS, releases that are deployed within an hour.",
        "CloudTrail management events; items of AWS Config; versions of the inventory.",
    ),
)

CODES: tuple[Code, ...] = (
    Code(
        "AUTH-001", Kind.AUTH_FAILURE_SPIKE, "brute_force",
        "One source or a few guess credentials.",
        "Most refusals come from few addresses, and not with many names of a few tries each.",
        "A broken client with a wrong password that retries all day looks the same; its agent and single name tell it.",
        "Give known clients credentials of their own; silence the finding for a client that is known to be broken.",
    ),
    Code(
        "AUTH-002", Kind.AUTH_FAILURE_SPIKE, "distributed",
        "Many addresses try few names, or try more often than a list of stolen passwords would.",
        "At least ten addresses, none with 40 % of the excess; fewer than ten names, or more than 30 tries an address.",
        "A release of a widely used client with a wrong credential; its agent and the change list tell it.",
        "Log the principal: names tell it from credential stuffing.",
    ),
    Code(
        "AUTH-003", Kind.AUTH_FAILURE_SPIKE, "password_spray",
        "One source tries a few passwords on many names.",
        "At least ten names with five tries each at most (or five with two), and no name with 30 %; within minutes, or "
        "by one address within 24 hours or, for one that came lately, seven days.",
        "A proxy in front of many people after a change of passwords; many agents behind one address keep it quiet.",
        "Log the principal; without names it reads as brute force.",
    ),
    Code(
        "AUTH-004", Kind.AUTH_FAILURE_SPIKE, "credential_stuffing",
        "Many addresses each try a few of many names: lists of stolen passwords.",
        "At least ten addresses, none with 40 %, few tries each, many names (or none logged).",
        "Expiry storms are told apart by their cause; without causes in the log they may read so.",
        "Log `$context.error.responseType` and the principal.",
    ),
    Code(
        "AUTH-005", Kind.AUTH_FAILURE_SPIKE, "api_key_probing",
        "API keys are being guessed.",
        "Six of ten refusals are for unknown or disabled keys.",
        "A key that was deleted while in use; then the change is found and it reads as misconfiguration.",
        "Bring `--changes`, so that deleted keys are known.",
    ),
    Code(
        "AUTH-006", Kind.AUTH_FAILURE_SPIKE, "account_takeover",
        "Guesses of which some opened an account.",
        "An attack as above, and an address of it (its second refusal or later; with a tool of the attack, or eight "
        "refusals) or a name of it (ten refusals or more) is then let in where it was refused, within 15 minutes.",
        "The owner of a name that is attacked logs in meanwhile. Successes within the minute of a refusal, of sources "
        "that are hidden behind names, and on routes with more than 64 callers a minute are not seen.",
        "Log the principal on login routes.",
    ),
    Code(
        "AUTH-007", Kind.AUTH_FAILURE_SPIKE, "expired_token_loop",
        "A client goes on calling with an expired token.",
        "Six of ten refusals are expired credentials, from few sources.",
        "Short loops of clients that refresh late.",
        "None needed; the severity is low.",
    ),
    Code(
        "AUTH-008", Kind.AUTH_FAILURE_SPIKE, "authorizer_outage",
        "The authorizer fails: errors, time-outs, or no permission to call it.",
        "Refusals because the authorizer failed, not because it said no.",
        "An authorizer that throws to say no (a common mistake) reads as failing.",
        "Return a deny policy or 'Unauthorized' instead of throwing.",
    ),
    Code(
        "AUTH-009", Kind.AUTH_FAILURE_SPIKE, "misconfiguration",
        "Callers at large are refused: a policy, authorizer, key or back end refuses what it used to accept.",
        "Successes fall as refusals rise, for many callers at once, or a likely change stands before it.",
        "A dominant single client that breaks can look like callers at large on a quiet API.",
        "Bring `--changes`.",
    ),
    Code(
        "AUTH-010", Kind.AUTH_FAILURE_SPIKE, "signing_key_rotation",
        "Tokens are signed with a key that the API does not accept (yet).",
        "Bad or malformed signatures of many callers, with a likely change or successes that fell; else it is an "
        "attack.",
        "A forger that tries many tokens from many addresses.",
        "Publish new keys beside the old ones before they are used.",
    ),
    Code(
        "AUTH-011", Kind.AUTH_FAILURE_SPIKE, "waf_block_surge",
        "WAF blocks far more than usual: an attack, or a rule that hits callers.",
        "Refusals by WAF; callers and programs of all kinds, or successes that fell, tell a rule that hits callers.",
        "A crawler that a rule is meant to stop.",
        "Silence it for rules that are meant to block much.",
    ),
    Code(
        "AUTH-012", Kind.AUTH_FAILURE_SPIKE, "path_probing",
        "Somebody scans for paths. On REST APIs an unknown path answers 403 \"Missing Authentication Token\".",
        "Refusals of unknown paths, and on routes that never answered anybody those without a clear reason, too; never "
        "counted as auth failures.",
        "A client of an old version whose routes are gone.",
        "The severity is low; a WAF rate rule on 403 keeps scanners short.",
    ),
    Code(
        "THR-001", Kind.THROTTLING_ABUSE, "over_plan",
        "One caller goes beyond its limit.",
        "One caller has most of the excess, and none of the shapes below.",
        "A planned load test.",
        "Raise the plan, or silence the finding for the test's time.",
    ),
    Code(
        "THR-002", Kind.THROTTLING_ABUSE, "retry_storm",
        "A caller retries without waiting.",
        "Most refusals are of callers that are refused in runs of seconds, four times and more in each.",
        "A plain overload by one caller for some seconds on end looks the same.",
        "Log `$context.requestTimeEpoch` in milliseconds.",
    ),
    Code(
        "THR-003", Kind.THROTTLING_ABUSE, "address_rotation",
        "A caller spreads over addresses to get around a limit.",
        "Ten addresses or more behind one key, principal or agent.",
        "A mobile app of one big customer; its key is the plan's owner, then.",
        "Limit by key, not by address.",
    ),
    Code(
        "THR-004", Kind.THROTTLING_ABUSE, "quota_exhausted",
        "A quota is used up and its caller goes on calling.",
        "Half of the refusals are for the quota.",
        "Needs `$context.error.responseType`; else it reads as over_plan.",
        "Plan the quota with the caller.",
    ),
    Code(
        "THR-005", Kind.THROTTLING_ABUSE, "noisy_neighbour",
        "One caller uses up a limit that others share; they are listed as victims.",
        "One caller has 40 % of the excess or more, but others are refused as well; or a quarter and four times as "
        "many as the next, among at least five others.",
        "A shared limit that is simply too low, with one big caller.",
        "Give big callers plans of their own.",
    ),
    Code(
        "THR-006", Kind.THROTTLING_ABUSE, "shared_limit",
        "All callers hit a limit: it is too low, or was lowered.",
        "No caller has 40 % of the excess.",
        "A flash crowd beyond the account's limit.",
        "Bring `--changes`.",
    ),
    Code(
        "THR-007", Kind.THROTTLING_ABUSE, "slow_ramp",
        "A caller's demand grows beyond its limit over an hour or more.",
        "The last third has at least 2.2 times the refusals of the first, the middle between them.",
        "A steady overload that begins slowly.",
        "None needed.",
    ),
    Code(
        "DEAD-001", Kind.DEAD_API, "live_outage",
        "Requests were expected and none came, or most were answered with server errors.",
        "Silence or errors now, not for weeks.",
        "A caller that left for good (one big customer); a stop of log delivery when no other API is in the logs. "
        "Not said: a silence on a stage's first day, unless 30 calls a minute stop at once; on its first Saturday "
        "and Sunday, of who had not called for three hours; an outage at the hour of the week of one in the first "
        "week. What came too early to be judged is listed with what detectors could not judge.",
        "Bring `--metrics`: they tell silence from missing logs.",
    ),
    Code(
        "DEAD-002", Kind.DEAD_API, "taken_offline",
        "The API was taken offline: silent since a change that removes it, or (no changes given) for half a day.",
        "As live_outage, longer or with a delete, disable or unmapping before it.",
        "A long outage.",
        "Bring `--changes`.",
    ),
    Code(
        "DEAD-003", Kind.DEAD_API, "dead",
        "A stage or route that was called and is not any more.",
        "No call for `dead_after_days` and 1.5 times its longest pause.",
        "Jobs that run more rarely than was ever seen (yearly).",
        "Raise `dead_after_days`; an exclusion for known rare jobs.",
    ),
    Code(
        "DEAD-004", Kind.DEAD_API, "unused",
        "Declared in the inventory, never called in a week of logs or more.",
        "No call in all logs that were read.",
        "Callers that come once a month or quarter.",
        "Read more logs.",
    ),
    Code(
        "DEAD-005", Kind.DEAD_API, "zombie",
        "Marked deprecated, still called.",
        "A tag `deprecated`, or a description that begins with the word.",
        "Marks that are wrong.",
        "Correct the inventory's marks.",
    ),
    Code(
        "DEAD-006", Kind.DEAD_API, "shadow",
        "Called, but not in the inventory.",
        "At least 20 calls to a stage that an API of the inventory does not have.",
        "An inventory that is older than the stage.",
        "Export the inventory anew.",
    ),
    Code(
        "DEAD-007", Kind.DEAD_API, "unproven",
        "Would be dead or unused, but requests are missing from the logs.",
        "Coverage below 98 % in its time, or gaps of all sources.",
        "It is not a claim.",
        "Mend the delivery of logs.",
    ),
    Code(
        "DEAD-008", Kind.DEAD_API, "no_longer_called",
        "One route, or one customer's API key, fell silent while the others of its stage go on.",
        "20 requests missed (of a key: 24 minutes with a call), eight of who calls like clockwork all day, more where "
        "callers come in bursts; the others have two "
        "fifths of theirs. Keys need an inventory with `apiKeys`.",
        "A job that pauses longer than it ever did; a caller that was moved to another route or key.",
        "None needed: who came back after so long may do so again.",
    ),
    Code(
        "DEAD-009", Kind.DEAD_API, "only_health_checks",
        "Nobody calls any more but monitors.",
        "As live_outage, while a route whose last part is health, ping, ready, live or heartbeat is still answered.",
        "Quiet hours that were never seen before.",
        "Name monitors' routes so that they can be told.",
    ),
    Code(
        "DEAD-010", Kind.DEAD_API, "only_scanners",
        "Nobody calls any more but scanners.",
        "As live_outage, while calls to routes that do not exist go on.",
        "Quiet hours that were never seen before.",
        "Log `$context.resourcePath` or `$context.routeKey`.",
    ),
    Code(
        "LAT-001", Kind.LATENCY_OUTLIER, "step",
        "The median is slower, at once.",
        "None of the other shapes; most of the rise in the integration, or no layer is logged.",
        "Larger requests (not logged) that take longer.",
        "Log `$context.integrationLatency`.",
    ),
    Code(
        "LAT-002", Kind.LATENCY_OUTLIER, "creep",
        "Slowly slower.",
        "Halfway there an hour before it was noticed, and still rising.",
        "Slow growth of traffic on a system near its limit.",
        "None needed.",
    ),
    Code(
        "LAT-003", Kind.LATENCY_OUTLIER, "tail_only",
        "Some requests are much slower, the median is not.",
        "The p95 rises, the median less than a third of that.",
        "Few requests with large answers.",
        "Bring `--traces`.",
    ),
    Code(
        "LAT-004", Kind.LATENCY_OUTLIER, "gateway",
        "The time is spent in the gateway itself: mapping, TLS, AWS.",
        "Half of the rise or more is in what is left without integration, authorizer and WAF.",
        "The time of the authorizer and of WAF counts here where it is not logged.",
        "Log `$context.authorizer.latency` and `$context.waf.latency`.",
    ),
    Code(
        "LAT-005", Kind.LATENCY_OUTLIER, "authorizer",
        "The authorizer is slow.",
        "Half of the rise or more is in the authorizer; or its own time is out of line, by a third and 10 ms at least, "
        "whatever the rest of the request took. What came from its cache (0 ms) does not count.",
        "Its cold starts after a quiet night.",
        "Raise the authorizer's cache TTL.",
    ),
    Code(
        "LAT-006", Kind.LATENCY_OUTLIER, "cold_start",
        "Functions start anew too often or too slowly.",
        "Traces: half of the rise or more is initialization.",
        "Needs `--traces`.",
        "Provisioned concurrency, smaller packages.",
    ),
    Code(
        "LAT-007", Kind.LATENCY_OUTLIER, "downstream",
        "Something that the back end calls is slow; it is named.",
        "Traces: half of the rise or more is in calls to one downstream.",
        "Needs `--traces`; what is not instrumented counts as the function itself.",
        "Instrument the back end's calls.",
    ),
    Code(
        "LAT-008", Kind.LATENCY_OUTLIER, "timeout_29s",
        "Requests run into the 29-second limit.",
        "Requests of 28 s or more, however few, against their own usual count.",
        "APIs whose limit was raised and that are slow by design.",
        "Give the back end's calls a time-out below 29 s.",
    ),
    Code(
        "LAT-009", Kind.LATENCY_OUTLIER, "bimodal",
        "A part of the requests is much slower, the others are not.",
        "Between 8 and 70 % of the requests moved far, the lower quartile did not.",
        "Two kinds of requests on one route whose mixture shifts.",
        "Bring `--traces`; split the route.",
    ),
    Code(
        "LAT-010", Kind.LATENCY_OUTLIER, "load_correlated",
        "Slower the more is called: something is near its limit.",
        "Latency follows the number of calls within the episode.",
        "A crowd that calls slower routes.",
        "Look at concurrency limits and connection pools.",
    ),
    Code(
        "LAT-011", Kind.LATENCY_OUTLIER, "one_route",
        "One route is slow, the others of its stage are not.",
        "The next route rose by no more than a third of what the first did.",
        "Stages with one busy route.",
        "None needed.",
    ),
    Code(
        "LAT-012", Kind.LATENCY_OUTLIER, "waf",
        "WAF takes the time.",
        "Half of the rise or more is in the WAF phase.",
        "Needs `$context.waf.latency`; without it the time counts for the gateway.",
        "Look at the web ACL's rules that inspect bodies.",
    ),
    Code(
        "DATA-001", Kind.DATA_QUALITY, "coverage_low",
        "Fewer log lines than CloudWatch counted requests.",
        "Below 90 % for 15 minutes or more, ten requests at least. Messages of WebSocket APIs do not "
        "count: CloudWatch counts both directions, a line tells of one.",
        "Logs of some stages were not given to `scan`.",
        "Give all logs, or no metrics of the others.",
    ),
    Code(
        "DATA-002", Kind.DATA_QUALITY, "delivery_gap",
        "No source delivered anything.",
        "30 minutes or more in which 50 requests or more were usual.",
        "All traffic stopped: metrics tell.",
        "Information only.",
    ),
    Code(
        "DATA-003", Kind.DATA_QUALITY, "delivery_lag",
        "Lines come much later than usual.",
        "More than 15 minutes and twice the latest of the last hours, for 15 minutes.",
        "Back-fills of old logs.",
        "Information only.",
    ),
    Code(
        "DATA-004", Kind.DATA_QUALITY, "fields_lost",
        "The lines tell less than they did.",
        "A field that nine of ten minutes had is missing from 30 minutes and 60 requests in a row.",
        "Mixed formats of one stage in which the richer one is rare.",
        "Put the variables back into the access-log format.",
    ),
    Code(
        "CONF-001", Kind.CONFIG_CHANGE, "authorizer_removed",
        "Methods or routes that asked who calls do so no longer.",
        "Their authorization became NONE, or an authorizer was deleted and none came in its place.",
        "A method that was always open and is set so again, where nobody knows what it was.",
        "Connect an account or bring inventories, so that the value before is known.",
    ),
    Code(
        "CONF-002", Kind.CONFIG_CHANGE, "waf_detached",
        "A stage lost its web ACL.",
        "DisassociateWebACL, or a newer inventory without it; an ACL that another replaces is none.",
        "None known.",
        "None needed.",
    ),
    Code(
        "CONF-003", Kind.CONFIG_CHANGE, "throttle_raised",
        "A limit of a stage, a method or a usage plan is higher or gone.",
        "The rate, burst or quota is higher than before; low below twice, high from ten times on or without one.",
        "Planned growth. Says nothing where the limit before is not known.",
        "Connect an account or bring inventories, so that the value before is known.",
    ),
    Code(
        "CONF-004", Kind.CONFIG_CHANGE, "logging_off",
        "The access log or the execution log of a stage is off.",
        "No destination (medium), or level OFF (low).",
        "A log that was never on and is set off again, where nobody knows.",
        "None needed.",
    ),
    Code(
        "CONF-005", Kind.CONFIG_CHANGE, "tracing_off",
        "X-Ray tracing of a stage is off.",
        "The stage's tracing became false.",
        "As logging_off.",
        "None needed.",
    ),
    Code(
        "CONF-006", Kind.CONFIG_CHANGE, "policy_widened",
        "The resource policy lets in somebody whom it kept out.",
        "A statement for everybody without a condition, a new principal or network, a refusal that is gone.",
        "Conditions other than addresses are not compared. Where the old policy is not known, any that is open to all.",
        "Connect an account or bring inventories, so that the policy before is known.",
    ),
    Code(
        "CONF-007", Kind.CONFIG_CHANGE, "api_deleted",
        "An API is gone.",
        "High when it was called within a day before, low when it was called longer ago. Over a day later.",
        "A planned removal.",
        "None needed.",
    ),
    Code(
        "CONF-008", Kind.CONFIG_CHANGE, "stage_deleted",
        "A stage is gone.",
        "As CONF-007; over when it is made again, or a day later.",
        "A planned removal.",
        "None needed.",
    ),
    Code(
        "CONF-009", Kind.CONFIG_CHANGE, "not_deployed",
        "An API is configured otherwise than it answers.",
        "Methods, integrations, authorizers or the policy were changed, and no deployment came for an hour; not for "
        "HTTP APIs whose stages deploy by themselves.",
        "Work that takes longer than an hour.",
        "None needed.",
    ),
)  # fmt: skip


def family_of(kind: Kind) -> Family:
    return next(one for one in FAMILIES if one.kind is kind)


def code_of(kind: Kind, subtype: str) -> str | None:
    """The code of a finding; None when it has none (then a test fails)."""
    return next((one.code for one in CODES if one.kind is kind and one.subtype == subtype), None)


def found(name: str) -> list[Code]:
    """The codes that a person means: a code, a subtype (with - or _), or a kind; none when nobody is called so."""
    word = name.strip().lower().replace("-", "_")
    exact = [one for one in CODES if word in (one.code.lower().replace("-", "_"), one.subtype)]
    return exact or [one for one in CODES if one.kind.value == word]


def needs(code: Code) -> list[tuple[str, str]]:
    """(variable of the access log, why) of what a detector reads."""
    return [(VARIABLES[column], why) for column, why in family_of(code.kind).needs.items()]


def to_json(code: Code) -> dict[str, JSON]:
    family = family_of(code.kind)
    return {
        "code": code.code,
        "kind": code.kind.value,
        "subtype": code.subtype,
        "title": family.title,
        "means": code.means,
        "apart": code.apart,
        "looks": family.looks,
        "maths": family.maths,
        "source": family.source,
        "needs": [{"variable": variable, "why": why} for variable, why in needs(code)],
        "settings": list(family.settings),
        "tune": code.tune,
        "errs": code.errs,
        "benign": family.benign,
    }


def markdown() -> str:
    """The reference of all detectors, for docs/detection.md."""
    parts = []
    for family in FAMILIES:
        lines = [f"### {family.title} (`{family.kind.value}`)", "", family.looks, "", f"**Maths.** {family.maths}"]
        lines += [f"Source: {family.source}", "", f"**Known and silent.** {family.benign}", ""]
        if family.settings:
            named = ", ".join(f"`{name}`" for name in family.settings)
            lines += [f"**Settings.** {named}. {_BUDGET}", ""]
        if family.needs:
            lines += ["| field | why |", "|---|---|"]
            lines += [f"| `{VARIABLES[column]}` | {why} |" for column, why in family.needs.items()] + [""]
        lines += ["| code | means | told apart by | may be wrong | tuning |", "|---|---|---|---|---|"]
        mine = [one for one in CODES if one.kind is family.kind]
        lines += [
            f"| `{one.code}` `{one.subtype}` | {one.means} | {one.apart} | {one.errs} | {one.tune} |" for one in mine
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
