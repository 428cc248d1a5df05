"""What a key of a log line is called in AWS's words: `source_ip`, `clientIp`, `client.ip` are identity.sourceIp.

Keys are the user's choice. They are cut into words at dots, underscores, hyphens and capitals, and compared without
them, so that one entry stands for all spellings and all nestings.
"""

from __future__ import annotations

import re
from functools import cache


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CONTEXT: tuple[str, ...] = _split(
    """
    accountId apiId stage deploymentId endpointType domainName domainPrefix requestId extendedRequestId requestTime
    requestTimeEpoch httpMethod path resourcePath resourceId routeKey protocol isCanaryRequest xrayTraceId
    tlsVersion cipherSuite eventType connectionId connectedAt messageId messageDirection
    customDomain.basePathMatched customDomain.routingRuleIdMatched status responseLength responseLatency
    dataProcessed responseOverride.status error.message error.messageString error.responseType
    error.validationErrorString integration.status integration.integrationStatus integrationStatus
    integration.latency integrationLatency integration.error integrationErrorMessage integration.requestId
    awsEndpointRequestId awsEndpointRequestId2 integration.responseTransferMode integration.timeToAllHeaders
    integration.timeToFirstContent identity.sourceIp identity.userAgent identity.user identity.caller
    identity.userArn identity.accountId identity.principalOrgId identity.apiKeyId identity.apiKey
    identity.cognitoAuthenticationProvider identity.cognitoAuthenticationType identity.cognitoIdentityId
    identity.cognitoIdentityPoolId identity.clientCert.clientCertPem identity.clientCert.subjectDN
    identity.clientCert.issuerDN identity.clientCert.serialNumber identity.clientCert.validity.notBefore
    identity.clientCert.validity.notAfter identity.vpcId identity.vpceId waf.status waf.latency waf.error
    wafResponseCode webaclArn authenticate.status authenticate.latency authenticate.error authorizer.status
    authorizer.latency authorizer.error authorizer.integrationStatus authorizer.integrationLatency
    authorizer.requestId authorizer.principalId authorizer.claims.sub authorize.status authorize.latency
    authorize.error
    """
)
"""Every documented `$context` variable with a fixed name."""

TIME = "time"
"""Stands for any time: the values tell which variable it is (requestTimeEpoch, requestTime or x.time)."""
DURATION = "duration"
"""Stands for a whole duration: responseLatency (ms) or x.duration_s; the values tell."""
INTEGRATION_DURATION = "integration duration"
ROUTE = "route"
"""A path, a path template or a route key; the values tell."""

_SYNONYMS: dict[str, str] = {
    TIME: "requesttimeepoch requesttime requesttimestamp timestamp ts eventtime datetime timelocal timeiso8601 "
    "requestepoch epoch starttime startedat requesttimems timestampms timeepoch",
    "identity.sourceIp": "sourceip clientip ip callerip remoteaddr remoteip remoteaddress ipaddress sourceipaddress "
    "clientaddress sourceaddress srcip identityip clientaddr realip remotehost",
    "identity.userAgent": "useragent agent httpuseragent useragentoriginal identityagent ua headersuseragent",
    "identity.user": "user username remoteuser useridentity iamuser",
    "identity.caller": "caller callerid",
    "identity.userArn": "userarn callerarn iamarn",
    "identity.accountId": "calleraccount calleraccountid useraccountid",
    "identity.principalOrgId": "principalorgid",
    "identity.apiKeyId": "apikeyid keyid",
    "identity.apiKey": "apikey xapikey",
    "identity.cognitoIdentityId": "cognitoidentityid",
    "identity.cognitoIdentityPoolId": "cognitoidentitypoolid",
    "identity.cognitoAuthenticationProvider": "cognitoauthenticationprovider",
    "identity.cognitoAuthenticationType": "cognitoauthenticationtype",
    "identity.clientCert.subjectDN": "clientcertsubjectdn subjectdn clientcertsubject",
    "identity.clientCert.issuerDN": "clientcertissuerdn issuerdn clientcertissuer",
    "identity.clientCert.serialNumber": "clientcertserialnumber clientcertserial",
    "identity.clientCert.clientCertPem": "clientcertpem",
    "identity.clientCert.validity.notBefore": "clientcertvaliditynotbefore clientcertnotbefore",
    "identity.clientCert.validity.notAfter": "clientcertvaliditynotafter clientcertnotafter",
    "identity.vpcId": "vpcid",
    "identity.vpceId": "vpceid vpcendpointid",
    "accountId": "accountid account awsaccountid awsaccount owneraccountid ownerid",
    "apiId": "apiid restapiid httpapiid gatewayid apigatewayid",
    "stage": "stage stagename apistage deploymentstage",
    "domainName": "domainname domain requesthost httphost hostname vhost virtualhost servername",
    "requestId": "requestid reqid awsrequestid correlationid",
    "extendedRequestId": "extendedrequestid extendedid apigwid extrequestid",
    "httpMethod": "httpmethod method requestmethod verb httpverb",
    "path": "path requestpath httppath uripath urlpath rawpath",
    "resourcePath": "resourcepath resourcetemplate",
    "routeKey": "routekey",
    ROUTE: "route resource endpoint httproute",
    "protocol": "protocol httpprotocol httpversion serverprotocol proto requestprotocol",
    "xrayTraceId": "xraytraceid xraytrace xamzntraceid xrayid amzntraceid amazontraceid",
    "x.trace": "traceid trace traceparent",
    "tlsVersion": "tlsversion tls sslprotocol tlsprotocol",
    "cipherSuite": "ciphersuite cipher tlscipher sslcipher tlsciphersuite",
    "eventType": "eventtype wseventtype",
    "connectionId": "connectionid wsconnectionid",
    "status": "status statuscode httpstatus httpstatuscode responsecode responsestatus responsestatuscode httpcode "
    "gatewaystatus clientstatus elbstatuscode",
    "responseLength": "responselength responsesize bytes bytessent bodybytessent contentlength responsebytes "
    "responsebodysize length size responsecontentlength",
    "responseLatency": "responselatency latency latencyms responselatencyms durationms requestlatency totallatency "
    "requestlatencyms responsetimems elapsedms gatewaylatency apilatency totaltimems tookms",
    DURATION: "duration responsetime requestduration elapsed elapsedtime timetaken totaltime durationseconds "
    "durations requesttimes latencyseconds serverrequestduration",
    "dataProcessed": "dataprocessed",
    "error.responseType": "errorresponsetype responsetype errortype gatewayresponsetype gatewayresponse "
    "responseerrortype gatewayerrortype",
    "error.message": "errormessage errmsg errormsg errmessage responseerrormessage gatewayerrormessage gatewayerror "
    "apierrormessage responseerror requesterror",
    "error.messageString": "errormessagestring messagestring",
    "error.validationErrorString": "validationerrorstring validationerror errorvalidation validationmessage "
    "errorvalidationerror requestvalidationerror",
    "integration.status": "backendstatus upstreamstatus targetstatus integrationstatuscode functionstatus "
    "originstatus targetstatuscode backendstatuscode",
    "integration.integrationStatus": "lambdastatus integrationservicestatus lambdaintegrationstatus lambdastatuscode",
    "integration.latency": "backendlatency upstreamlatency integrationlatencyms lambdalatency targetlatency "
    "integrationresponselatency integrationlatencymillis",
    INTEGRATION_DURATION: "integrationduration upstreamresponsetime backendtime integrationtime upstreamtime "
    "integrationresponsetime targetprocessingtime",
    "integration.error": "integrationerror integrationerrormessage backenderror integrationerrormsg "
    "integrationerrmsg lambdaerror integrationmessage",
    "integration.requestId": "integrationrequestid lambdarequestid integrationreqid backendrequestid",
    "awsEndpointRequestId": "endpointrequestid awsendpointrequestid",
    "waf.status": "wafstatus wafstatuscode",
    "waf.latency": "waflatency waflatencyms",
    "waf.error": "waferror waferrormessage",
    "wafResponseCode": "wafresponse wafresponsecode wafaction wafcode wafverdict",
    "webaclArn": "webacl webaclarn wafwebaclarn wafacl wafarn wafwebacl",
    "authenticate.status": "authenticatestatuscode authenticationstatus",
    "authenticate.error": "authenticateerrormessage authenticationerror authenticateerrormsg",
    "authenticate.latency": "authenticationlatency authenticatelatencyms",
    "authorizer.status": "authorizerstatuscode authstatus authorizerresponsestatus lambdaauthorizerstatus",
    "authorizer.latency": "authlatency authorizerlatencyms authorizerduration lambdaauthorizerlatency",
    "authorizer.error": "authorizererrormessage autherror authorizererrmsg authorizererrormsg authorizermessage "
    "lambdaauthorizererror",
    "authorizer.integrationStatus": "authorizerlambdastatus authorizerintegrationstatuscode",
    "authorizer.principalId": "principalid principal authprincipal authorizerprincipal authprincipalid",
    "authorizer.claims.sub": "sub claimssub claimsub jwtsub jwtclaimssub userid usersub authorizersub cognitosub "
    "authorizerjwtclaimssub",
    "authorize.status": "authorizestatuscode authorizationstatus",
    "authorize.error": "authorizeerrormessage authorizationerror authorizeerrormsg",
    "authorize.latency": "authorizationlatency authorizelatencyms",
    "customDomain.basePathMatched": "basepathmatched basepath customdomainbasepath",
    "customDomain.routingRuleIdMatched": "routingruleidmatched routingruleid",
    "isCanaryRequest": "canary iscanary canaryrequest",
    "x.api_type": "apitype apiprotocoltype apiprotocol gatewaytype apikind apigatewaytype protocoltype",
    "x.region": "region awsregion",
    "x.forwarded": "xforwardedfor forwardedfor httpxforwardedfor headersxforwardedfor",
    "x.url": "url uri requesturi requesturl urlfull httpurl",
    "x.request": "requestline httprequest",
    "x.client_port": "clientport remoteendpoint",
    "x.delivered": "ingestiontime ingestedat deliveredat deliverytime",
}

_WHOLE: dict[str, str] = {
    "id": "requestId",
    "time": TIME,
    "date": TIME,
    "error": "error.message",
    "host": "domainName",
    "request": "x.request",
    "integrationerrormessage": "integrationErrorMessage",
}
"""Words that say something only where they stand alone."""

_NEVER = frozenset(
    _split(
        """
        requestlength requestsize requestbytes requestbody requestheaders responseheaders responsebody
        requestcontentlength apikeyname apiname clientid clientport requestparameters requestcontext requesttype
        requesterrors eventduration
        """
    )
)

_WRAPPERS = frozenset(
    _split(
        """
        context ctx log accesslog access data fields event details apigateway apigw gateway aws
        """
    )
)
"""Groups that say nothing: `context.status` is `status`."""

_GROUPS = frozenset(
    _split(
        """
        request req http response res resp api client identity call caller requestcontext
        """
    )
)
"""Groups whose name is part of some synonyms, and superfluous for the others."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z]+|[0-9]+")


@cache
def _tables() -> tuple[dict[str, tuple[str, int]], frozenset[str]]:
    """Squeezed synonym -> (variable, rank: 0 is its own name), and the exact `$context` names."""
    table: dict[str, tuple[str, int]] = {}
    for variable, names in _SYNONYMS.items():
        for rank, name in enumerate(names.split()):
            table.setdefault(name, (variable, rank + 1))
    for variable in CONTEXT:
        squeezed = squeeze(variable)
        if squeezed in {"requesttime", "requesttimeepoch"}:
            continue
        short = squeezed.removeprefix("identity")
        table[squeezed] = (variable, 0) if squeezed != "integrationstatus" else ("integration.status", 0)
        if short != squeezed:
            table.setdefault(short, (variable, 1))
    table["integrationlatency"] = ("integration.latency", 0)
    table["integrationerrormessage"] = ("integration.error", 3)
    return table, frozenset(CONTEXT)


def words(name: str) -> list[str]:
    """`requestID` -> request, id; `user_agent.original` -> user, agent, original."""
    return [word.lower() for word in _WORDS.findall(name)]


def squeeze(name: str) -> str:
    return "".join(words(name))


def variable_of(path: tuple[str, ...]) -> tuple[str, int] | None:
    """The variable (or TIME, DURATION, …) that the key at `path` stands for, and a rank: lower is surer.

    >>> variable_of(("client", "source_ip"))
    ('identity.sourceIp', 2)
    """
    table, exact = _tables()
    name = ".".join(path)
    if name in exact and name not in {"requestTime", "requestTimeEpoch"}:
        return name, 0
    tokens = words(name)
    dropped = 0
    while len(tokens) > 1 and tokens[0] in _WRAPPERS and "".join(tokens) not in table:
        tokens = tokens[1:]
        dropped += 1
    squeezed = "".join(tokens)
    if squeezed in _WHOLE and squeezed not in table:
        return _WHOLE[squeezed], 20 + dropped
    while tokens:
        squeezed = "".join(tokens)
        if squeezed in _NEVER:
            return None
        if squeezed in table:
            variable, rank = table[squeezed]
            return variable, rank + dropped
        if tokens[0] not in _GROUPS:
            break
        tokens = tokens[1:]
        dropped += 1
    return _authorizer_property(path)


def _authorizer_property(path: tuple[str, ...]) -> tuple[str, int] | None:
    """`authorizer.tenant` and `authorizer.claims.email` are variables of their own."""
    steps = [step for part in path for step in part.split(".")]
    while len(steps) > 1 and steps[0].lower() in _WRAPPERS | _GROUPS:
        steps = steps[1:]
    if len(steps) in {2, 3} and steps[0] == "authorizer" and all(steps):
        return ".".join(steps), 5
    return None
