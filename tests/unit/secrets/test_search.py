"""What is taken for a credential in a text, what is not, and what is left of the text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servestack.errors import Problem
from servestack.secrets.names import is_public, tells_secret
from servestack.secrets.search import MASK, find_in_text, find_secrets, masked_text, masked_value

PASSWORD = "hunter2Hunter2"
HEX = "0123456789abcdef" * 2
CREDENTIALS = {
    "empty user": f"redis://:{PASSWORD}@redis:6379/0",
    "user": f"postgres://me:{PASSWORD}@db/iris",
    "percent-encoded": "amqp://me:hunter2%40%2FHunter2@rabbit//",
    "unencoded @": "mongodb+srv://me:hunter2@Hunter2@c.mongodb.net/x",
    "unencoded /": f"redis://default:{PASSWORD}/+==@redis:6379",
    "sub-delimiters": "postgres://me:hunter2!$&'()*+,;=@db",
    "token for a user": f"https://{PASSWORD}:@api.example.com",
    "git": f"https://x-access-token:{PASSWORD}@github.com/a/b",
    "no scheme": f"proxy me:{PASSWORD}@proxy.example.com:3128",
    "JDBC": f"jdbc:sqlserver://db:1433;user=sa;password={PASSWORD};encrypt=true",
    "JDBC query": f"jdbc:postgresql://db/iris?user=me&password={PASSWORD}",
    "Oracle": f"jdbc:oracle:thin:scott/{PASSWORD}@//db:1521/x",
    "ADO.NET": f"Server=db;Uid=sa;Pwd={PASSWORD};",
    "account key": "DefaultEndpointsProtocol=https;AccountName=a;"
    "AccountKey=abcdefghijklmnopqrstuvwxyz0123456789==",
    "shared access key": f"Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={PASSWORD}=",
    "SAS": f"https://a.blob.core.windows.net/c/b?sv=2020-08-04&sig={PASSWORD}%2Fabc%3D&se=2030",
    "presigned": f"https://b.s3.amazonaws.com/k?X-Amz-Expires=60&X-Amz-Signature={HEX}{HEX}",
    "query": f"https://api.example.com/v1?api_key={PASSWORD}",
    "JAAS": f'PlainLoginModule required username="me" password="{PASSWORD}";',
    "argument": f"--token={PASSWORD}",
    "argument apart": f"run --db-password {PASSWORD} --verbose",
    "exported": f"export DB_PASSWORD={PASSWORD}",
    "JSON": f'{{"user": "me", "client_secret": "{PASSWORD}"}}',
    "YAML": f"user: me\npassword: {PASSWORD}\n",
    "flow YAML": f"{{user: me, password: {PASSWORD}}}",
    "header": f"Authorization: Bearer {PASSWORD}",
    "basic header": "Authorization: Basic bWU6aHVudGVyMg==",
    "scheme": f"Bearer {PASSWORD}",
    "key header": f"X-API-Key: {PASSWORD}",
    "curl": f"curl -u me:{PASSWORD} https://example.com",
    "private key": f"-----BEGIN RSA PRIVATE KEY-----\n{PASSWORD}\n-----END RSA PRIVATE KEY-----",
    "escaped newlines": f"-----BEGIN PRIVATE KEY-----\\n{PASSWORD}\\n-----END PRIVATE KEY-----",
    "encrypted key": f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{PASSWORD}",
    "key in base64": "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUV2UUlCQURBTkJna3Foa2lHOXcw",
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "GitHub": "ghp_" + "a1" * 18,
    "GitHub, fine-grained": "github_pat_" + "a1" * 41,
    "GitLab": "glpat-" + "a1" * 10,
    "Slack": "xoxb-123456789012-abcdefABCDEF",
    "Slack webhook": "https://hooks.slack.com/services/T00000000/B00000000/" + "X" * 24,
    "Discord webhook": "https://discord.com/api/webhooks/123456789/" + "aB1-" * 10,
    "Stripe": "sk_live_" + "a1" * 12,
    "Twilio": "SK" + HEX,
    "SendGrid": "SG." + "a1" * 11 + "." + "b2" * 21 + "c",
    "npm": "npm_" + "a1" * 18,
    "npmrc": "//registry.example.com/:_authToken=" + "npm_" + "a1" * 18,
    "PyPI": "pypi-AgEIcHlwaS5vcmc" + "a1" * 40,
    "Google": "AIza" + "a1B2c" * 7,
    "Hugging Face": "hf_" + "abcdEFGH" * 4 + "ab",
    "Databricks": "dapi" + HEX,
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijkl",
    "OpenAI": "sk-" + "a1" * 10 + "T3BlbkFJ" + "b2" * 10,
}  # fmt: skip
INNOCENT = [
    "",
    "sha256:" + "ab" * 32,
    "ab" * 32,
    HEX,
    "0123456789abcdef0123456789abcdef01234567",
    "registry.example.com:5000/serving:1.0@sha256:" + "ab" * 32,
    "serving:1.0@sha256:" + "cd" * 32,
    "arn:aws:iam::111122223333:role/iris",
    "arn:aws:sqs:us-east-1:123456789012:my-very-long-queue-name-for-the-predictions",
    "models:/iris@production",
    "models:/m-028196b2c3d44e5f90a1b2c3d4e5f607",
    f"runs:/{HEX}/model",
    f"s3://models/1/{HEX}/artifacts/model",
    "--model=iris=4#sha256=" + "ab" * 32,
    "growth.iris.predictions",
    "http://mlflow:5000/path@x",
    "https://[::1]:8080/@a",
    "https://login.example.com/oauth?client_id=iris&scope=read",
    "postgres://$(DB_USER):$(DB_PASSWORD)@db/iris",
    "redis://:${REDIS_PASSWORD}@redis:6379/0",
    "mailto:me@example.com",
    "git@github.com:a/b.git",
    "https://publickey@sentry.example.com/1",
    "The token: a piece of a word.",
    "Use the password: it is in the vault.",
    "Basic authentication is used.",
    "password=$(DB_PASSWORD)",
    "run --api-keys FILE, or --from-literal=password=$password",
    "password=<your password>",
    "--token-file=/var/run/secrets/token",
    "token_url=https://login.example.com/oauth",
    "max_tokens=512",
    "SharedAccessKeyName=RootManageSharedAccessKey",
    "sum(rate(x{token='b'}[5m])) > 14.4 * 0.001",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUNVVENDQWZ1Z0F3SUJBZ0lCQURBTkJna3E=",
    "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one of the stack",
    "refer to a Secret: {secret: <its name>}",
    "write valueFrom: {secret: name, key: key}",
]


@pytest.mark.parametrize("form", CREDENTIALS)
def test_found_and_masked_in_every_form(form: str) -> None:
    text = CREDENTIALS[form]
    for around in (text, f"before {text}", f'"{text}"', f"{text} after"):
        assert find_in_text(around), around
        for shown in (masked_text(around), masked_value(around), str(Problem("SRV115", around))):
            assert "unter2" not in shown
            assert MASK in shown
    assert [path for path, _ in find_secrets({"description": text})] == [("description",)]


@pytest.mark.parametrize("text", INNOCENT)
def test_what_holds_no_credential_stays_as_it_is(text: str) -> None:
    assert find_in_text(text) == ()
    assert masked_text(text) == text
    assert str(Problem("SRV115", text)) == f"SRV115 {text}"


@given(st.sampled_from(sorted(CREDENTIALS)), st.text(max_size=20), st.text(max_size=20))
def test_masking_twice_changes_nothing(form: str, before: str, after: str) -> None:
    once = masked_text(f"{before} {CREDENTIALS[form]} {after}")
    assert masked_text(once) == once


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("DB_PASSWORD", True), ("API_KEY", True), ("apiKey", True), ("dbPassword2", True),
        ("aws_secret_access_key", True), ("DB_PASS", True), ("example.com/token", True),
        ("CLIENT_SECRETS", True), ("AccountKey", True),
        ("GOOGLE_APPLICATION_CREDENTIALS", True),
        ("TOKENIZERS_PARALLELISM", False), ("SECRETARY", False), ("COMPASS", False),
        ("MONKEY", False), ("TOKEN_URL", False), ("API_KEY_HEADER", False),
        ("PASSWORD_FILE", False), ("SECRETS_BACKEND", False), ("TOKEN_SERVICE", True), ("SECRET_NAME", False), ("MAX_TOKEN_LENGTH", False),
        ("example.com/token-ttl", False), ("token.example.com/team", False),
    ],
)  # fmt: skip
def test_names(name: str, secret: bool) -> None:
    assert tells_secret(name) is secret


@pytest.mark.parametrize(
    "value",
    ["", "512", "-1.5e3", "30s", "512Mi", "99%", "true", "none", "/var/secrets/key.json",
     "./secrets/token", "~/.aws/credentials", "secrets/key.json", "C:\\secrets\\key.json",
     "https://login.example.com/oauth", "vault://secret/data/db#password", "$(DB_PASSWORD)",
     "${DB_PASSWORD}", "{{ password }}", "<password>", "****",
     "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db",
     "projects/p/secrets/db/versions/latest"],
)  # fmt: skip
def test_values_that_are_public_under_any_name(value: str) -> None:
    assert is_public(value)
    assert list(find_secrets({"env": [{"name": "DB_PASSWORD", "value": value}]})) == []


@pytest.mark.parametrize(
    "value",
    ["hunter2", "a", "12abc", "$onne2024", "/9jAbCdEf1234567890xyzQ/abc", "pass word", "Sommer2024!",
     "https://hunter2@github.com/a",
     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "/wJalrXUtnFEMIK7MDENGbPxRfiCY/EXAMPLEKEY"],
)  # fmt: skip
def test_values_that_are_secrets_under_such_a_name(value: str) -> None:
    assert not is_public(value)
    for data in (
        {"env": [{"name": "DB_PASSWORD", "value": value}]},
        {"annotations": {"example.com/password": value}},
        {"labels": {"password": value}},
        {"args": ["--password", value]},
    ):
        assert len(list(find_secrets(data))) == 1, data


@pytest.mark.parametrize(
    "data",
    [
        {"annotations": {"nginx.ingress.kubernetes.io/auth-secret": "models/basic-auth"}},
        {"api": {"auth": {"apiKeys": {"secret": "iris-api-keys"}}}},
        {"env": [{"name": "A", "valueFrom": {"secret": "db", "key": "password"}}]},
        {"kafka": {"security": {"credentials": {"secret": "a", "passwordKey": "password"}}}},
        {"logging": {"predictions": {"redact": {"password": "hash"}}}},
        {"api": {"input": {"columns": [{"name": "token", "type": "string"}]}}},
        {"args": ["--password", "$(DB_PASSWORD)", "--token-file", "/run/token", "--secret"]},
        {"env": [{"name": "DB_PASSWORD", "value": "hunter2", "public": True}]},
    ],
)
def test_references_and_what_is_vouched_for(data: Any) -> None:
    assert list(find_secrets(data)) == []


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("S3_KEY", "AbCdEfGh12345678ijkl", True), ("accountKey", "AbCdEfGh12345678", True),
        ("STORAGE_SAS", "sv=2020-08-04&sr=c&Sp9", False), ("COOKIE", "Zm9vYmFyQmF6MTIzNDU2", True),
        ("DATADOG_THING", "9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a", True),
        ("PARTITION_KEY", "day", False), ("PARTITION_KEY", "ModelVersion2", False),
        ("CACHE_KEY", "ab12" * 16, False), ("RUN", "AbCdEfGh12345678ijkl", False),
        ("MODEL_KEY", "s3://models/AbCdEfGh12345678", False),
        ("ANY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", True),
        ("GIT", "0123456789abcdef0123456789abcdef01234567", False),
    ],
)  # fmt: skip
def test_values_that_look_random(name: str, value: str, secret: bool) -> None:
    found = list(find_secrets({"env": [{"name": name, "value": value}]}))
    assert bool(found) is secret


def test_a_key_that_is_a_credential() -> None:
    found = find_secrets({"labels": {CREDENTIALS["GitHub"]: "x"}})
    assert (("labels", CREDENTIALS["GitHub"]), "is a key that holds a credential") in found


def test_a_long_text_takes_time_that_grows_with_its_length() -> None:
    for text in (
        "a" * 2_000_000,
        "a=" * 200_000,
        "a: " * 200_000,
        "x://" * 100_000,
        "a@" * 300_000,
    ):
        assert find_in_text(text) == ()
