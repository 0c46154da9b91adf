"""Kinds of text in a declaration, each with the rule that it follows and an example.

Names are chosen so that every system that gets them takes them as they are: services and environments are DNS
labels (RFC 1123), because Kubernetes names objects after them; stages, gates and measures are identifiers, because
Dagster does. Underscores never occur in the former, so replacing `-` by `_` keeps them apart.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from shopkart_pipeline.spec.faults import show


def declared_error(message: str) -> PydanticCustomError:
    """An error of a validator of ours; its message is shown as it is."""
    return PydanticCustomError("declared", "{message}", {"message": message})


@dataclass(frozen=True)
class Matching:
    """Text that matches a pattern as a whole."""

    pattern: str
    rule: str
    """Says what the text has to be, with an example; follows on "... is not "."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        expression = re.compile(self.pattern)

        @lru_cache(maxsize=4096)
        def check(text: str) -> str:
            if expression.fullmatch(text):
                return text
            raise declared_error(f"{show(text)} is not {self.rule}")

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^({self.pattern})$", "patternErrorMessage": f"Write {self.rule}."}


IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,59}")
_LABEL = r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?"
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}"

ServiceName = Annotated[
    str, Matching(_LABEL, "a name of at most 40 lower-case letters, digits and hyphens, such as catalog-search")
]
EnvironmentName = Annotated[
    str, Matching(_LABEL, "a name of at most 40 lower-case letters, digits and hyphens, such as staging")
]
TeamName = Annotated[str, Matching(_LABEL, "a team's name of lower-case letters, digits and hyphens, such as shop")]
Identifier = Annotated[
    str,
    Matching(IDENTIFIER.pattern, "a name of at most 60 lower-case letters, digits and underscores, such as load_tests"),
]
ToolName = Annotated[str, Matching(r"[a-z][a-z0-9_-]*", "the name of a tool, such as ruff, or auto")]
VariableName = Annotated[str, Matching(r"[A-Za-z_][A-Za-z0-9_]*", "a variable's name, such as REDIS_URL")]
ChannelName = Annotated[str, Matching(_LABEL, "a name of lower-case letters, digits and hyphens, such as oncall")]
SecretPlace = Annotated[
    str,
    Matching(
        r"env:SHOPKART_NOTIFY_[A-Z0-9_]{1,60}|file:(/|\{home\}/)[^\x00-\x1f]{1,500}"
        r"|aws:[A-Za-z0-9/_+=.@:-]{0,500}shopkart[/-]notify[A-Za-z0-9/_+=.@:-]{0,500}(#[^#\s]{1,256})?",
        "a variable that begins with SHOPKART_NOTIFY_, such as env:SHOPKART_NOTIFY_ONCALL, the absolute path of a "
        "file, such as file:{home}/secrets/oncall, or a secret of AWS Secrets Manager with shopkart/notify in its "
        "name, such as aws:shopkart/notify/oncall#url",
    ),
]
MailServerName = Annotated[
    str,
    Matching(
        r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(:[0-9]{1,5})?",
        "a server, with its port if that is another one, such as smtp.shopkart.example:587",
    ),
]
OptionName = Annotated[str, Matching(r"[a-z][a-z0-9_]*", "the name of an option, such as advisories")]

Email = Annotated[str, Matching(_EMAIL, "an e-mail address, such as maya@shopkart.example")]
Owner = Annotated[str, Matching(rf"{_EMAIL}|team:{_LABEL}", "an e-mail address or team:NAME, such as team:shop")]

Text = Annotated[str, Matching(r"[^\x00]*", "text (U+0000 is not allowed)")]
Words = Annotated[str, Matching(r"(?! *$)[^\x00-\x1f]+", "a few words on one line")]
Repository = Annotated[
    str, Matching(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", "a repository as GitHub spells it, such as shopkart/storefront")
]
Remote = Annotated[
    str,
    Matching(
        r"(https?://[^@/\s]+(/\S*)?|ssh://([^:@/\s]+@)?[^@/\s]+/\S*|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:\S+"
        r"|(file://)?(/|\{home\}/)[^\x00-\x1f]*)",
        "a place that git may fetch from: https:// without a password in it, ssh://, user@host:path, file:/// or an "
        "absolute path",
    ),
]
Branch = Annotated[
    str, Matching(r"(?![-/])(?!.*(\.\.|//|@\{|\.lock$|[./]$))[^\x00-\x20~^:?*\[\\\x7f]+", "a branch, such as main")
]
RelativePath = Annotated[
    str,
    Matching(
        r"(?!/)(?!(.*/)?\.\.(/|$))[^\x00-\x1f\\]+",
        "a path inside the repository, with / between its parts and without .., such as backend",
    ),
]
UrlPath = Annotated[str, Matching(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*", "a URL's path, such as /health/ready")]
_SERVER = r"https?://(\[[0-9a-f:]{2,39}\]|[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?)(:[0-9]{1,5})?"
ServerAddress = Annotated[
    str,
    Matching(
        rf"{_SERVER}/?",
        "a server's address without a path or a password in it, such as https://registry.example",
    ),
]
ApiAddress = Annotated[
    str,
    Matching(
        rf"{_SERVER}(/[A-Za-z0-9._~-]{{1,60}}){{0,5}}/?",
        "an API's address without a password in it, such as https://api.github.com or https://github.example/api/v3",
    ),
]
Login = Annotated[
    str,
    Matching(
        r"[A-Za-z0-9]([A-Za-z0-9_-]{0,98}[A-Za-z0-9])?",
        "the login of a person at GitHub: letters, digits and hyphens, such as maya-shop",
    ),
]
WebAddress = Annotated[
    str,
    Matching(
        r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^\x00-\x20@]*)?",
        "a web address without a password in it, such as https://shop.example",
    ),
]
LabelName = Annotated[
    str, Matching(r"[A-Za-z_][A-Za-z0-9_]{0,99}", "the name of a label in Prometheus, such as status_class")
]
MetricName = Annotated[
    str, Matching(r"[A-Za-z_:][A-Za-z0-9_:]{0,199}", "the name of a metric in Prometheus, such as http_requests_total")
]
TenantName = Annotated[str, Matching(r"[A-Za-z0-9!._*'()-]{1,150}", "the name of a tenant of Loki, such as shop")]
RepositoryPrefix = Annotated[
    str,
    Matching(
        r"(?=.{1,200}$)([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*/)+",
        "the beginning of names of repositories, of lower-case letters and digits with / at its end, such as shopkart/",
    ),
]
CpuQuantity = Annotated[
    str, Matching(r"[1-9][0-9]{0,5}m|[1-9][0-9]{0,2}|[0-9]{1,3}\.[0-9]{1,3}", 'an amount of CPU, such as 250m or "2"')
]
MemoryQuantity = Annotated[str, Matching(r"[1-9][0-9]{0,8}(Ki|Mi|Gi|Ti)", "an amount of memory, such as 256Mi or 2Gi")]
ObjectName = Annotated[
    str,
    Matching(
        r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*",
        "the name of an object in Kubernetes, such as payment-credentials",
    ),
]
SecretKey = Annotated[str, Matching(r"[A-Za-z0-9][A-Za-z0-9/_.+=@-]{0,511}", "the key of a secret, such as password")]
RoleArn = Annotated[
    str,
    Matching(
        r"arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}",
        "an AWS role's ARN, such as arn:aws:iam::123456789012:role/backend",
    ),
]
_HOST = r"(?=[^:]{1,253}(:|$))[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+"
HostName = Annotated[str, Matching(_HOST, "a host name in lower case, such as shop.example")]
GatewayName = Annotated[
    str,
    Matching(
        r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?",
        "a Gateway's name, with its namespace before it where that is another one, such as edge/shop",
    ),
]
Destination = Annotated[
    str,
    Matching(
        rf"([0-9]{{1,3}}(\.[0-9]{{1,3}}){{3}}/[0-9]{{1,2}}|{_HOST})(:[0-9]{{1,5}})?",
        "a network or host, with a port if it is to be one alone, such as 10.0.0.0/16:5432 or api.example",
    ),
]
_LABEL_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
NodeLabel = Annotated[
    str,
    Matching(
        rf"([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_LABEL_NAME}", "the name of a node's label, such as shopkart/pool"
    ),
]
NodeLabelValue = Annotated[str, Matching(_LABEL_NAME, "the value of a node's label, such as pipeline")]
SeccompProfile = Annotated[
    str,
    Matching(
        r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9/._-]{0,200}\.json",
        "the path of a seccomp profile below the kubelet's folder, such as profiles/shopkart.json",
    ),
]
AwsRegion = Annotated[str, Matching(r"[a-z]{2,3}(-[a-z]+){1,3}-[0-9]{1,2}", "an AWS region, such as eu-central-1")]
BucketName = Annotated[
    str, Matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket, such as shopkart-backups")
]
ObjectPrefix = Annotated[
    str,
    Matching(r"([A-Za-z0-9._-]{1,100}/){1,8}", "the beginning of names of objects, with / at its end, such as shop/"),
]
AwsAccount = Annotated[str, Matching(r"[0-9]{12}", 'the twelve digits of an AWS account, such as "123456789012"')]
TimeZone = Annotated[
    str, Matching(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}", "a time zone, such as Europe/Berlin")
]
Moment = Annotated[
    str, Matching(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}", "a moment such as 2026-11-26T18:00, without offset")
]
