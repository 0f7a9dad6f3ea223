"""Credentials in plain text: the one list by which every part of servestack knows them.

- `tokens.py` knows the tokens of some two hundred issuers by their form, with gitleaks' rules.
- `forms.py` knows how credentials are written: in an address, a connection string, an argument,
  a header, a key file.
- `names.py` knows from a variable's name that its value is a secret, and which values are not.
- `search.py` finds them all in text and in data, and masks them.

The check of specs, the policy, every report and every error message use `search.py`. A value that
merely looks random is not reported: digests, run ids and image tags look the same.
"""
