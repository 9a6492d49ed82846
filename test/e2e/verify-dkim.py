"""Verifies DKIM signatures with dkimpy. Reads JSON {records: {name: txt}, messages: [base64]} and prints, for each
message, a list of [selector, domain, result] of the signatures whose keys are among the records."""
import base64
import json
import sys

import dkim

job = json.load(sys.stdin)
records = {name.encode(): text.encode() for name, text in job['records'].items()}


def verify(message):
    results = []
    verifier = dkim.DKIM(message, minkey=1024)
    count = sum(name.lower() == b'dkim-signature' for name, _ in verifier.headers)
    for index in range(count):
        one = dkim.DKIM(message, minkey=1024)
        try:
            passed = one.verify(idx=index, dnsfunc=lambda name, timeout=5: records.get(name.rstrip(b'.'), b''))
            result = 'pass' if passed else 'fail'
        except dkim.DKIMException as error:
            result = 'error: %s' % error
        fields = one.signature_fields or {}
        selector, domain = (fields.get(key, b'').decode() for key in (b's', b'd'))
        if ('%s._domainkey.%s' % (selector, domain)) in job['records']:
            results.append([selector, domain, result])
    return results


def verdict(message):
    try:
        return verify(message)
    except dkim.DKIMException as error:
        return [['', '', 'error: %s' % error]]


json.dump([verdict(base64.b64decode(text)) for text in job['messages']], sys.stdout)
