"""Submits one message by smtplib, with mechanisms that it has and SCRAM-SHA-256 and tokens as a user would add them.

One argument: JSON with kind, port, ca, mechanism, user, password, token, certificate, from, to, file.
"""
import base64
import hashlib
import hmac
import json
import os
import smtplib
import ssl
import sys

one = json.loads(sys.argv[1])
user, password, token = one['user'], one['password'], one['token']


def scram():
    """The two client messages of RFC 5802 without channel binding; the server's signature is checked at the end."""
    nonce = base64.b64encode(os.urandom(18)).decode()
    bare = 'n=' + user.replace('=', '=3D').replace(',', '=2C') + ',r=' + nonce
    server_first = yield 'n,,' + bare
    fields = dict(part.split('=', 1) for part in server_first.decode().split(','))
    assert fields['r'].startswith(nonce), 'the nonce is not ours'
    without_proof = 'c=biws,r=' + fields['r']
    salted = hashlib.pbkdf2_hmac('sha256', password.encode(), base64.b64decode(fields['s']), int(fields['i']))
    digest = lambda key, text: hmac.digest(key, text, 'sha256')
    client_key = digest(salted, b'Client Key')
    signed = ','.join([bare, server_first.decode(), without_proof]).encode()
    signature = digest(hashlib.sha256(client_key).digest(), signed)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    server_final = yield without_proof + ',p=' + base64.b64encode(proof).decode()
    expected = b'v=' + base64.b64encode(digest(digest(salted, b'Server Key'), signed))
    assert server_final == expected, 'the server does not know the password'
    yield ''


def steps(mechanism):
    """An object for smtplib's auth(): called without a challenge for the initial response."""
    if mechanism == 'SCRAM-SHA-256':
        dialogue = scram()
        first = next(dialogue)
        return lambda challenge=None: first if challenge is None else dialogue.send(challenge)
    host = 'host=127.0.0.1\x01port=%d\x01' % one['port']
    initial = {
        'XOAUTH2': 'user=%s\x01auth=Bearer %s\x01\x01' % (user, token),
        'OAUTHBEARER': 'n,a=%s,\x01%sauth=Bearer %s\x01\x01' % (user, host, token),
        'EXTERNAL': user,
    }[mechanism]
    return lambda challenge=None: initial if challenge is None else ''


context = ssl.create_default_context(cafile=one['ca'])
if one['mechanism'] == 'EXTERNAL':
    context.load_cert_chain(one['certificate']['cert'], one['certificate']['key'])
if one['kind'] == 'smtps':
    server = smtplib.SMTP_SSL('127.0.0.1', one['port'], 'client.example', context=context, timeout=20)
else:
    server = smtplib.SMTP('127.0.0.1', one['port'], 'client.example', timeout=20)
    server.starttls(context=context)
with server:
    server.ehlo()
    name = one['mechanism']
    assert name in server.esmtp_features['auth'].split(), 'not offered: ' + server.esmtp_features['auth']
    server.user, server.password = user, password
    built_in = {'PLAIN': server.auth_plain, 'LOGIN': server.auth_login, 'CRAM-MD5': server.auth_cram_md5}
    server.auth(name, built_in.get(name) or steps(name))
    server.sendmail(one['from'], [one['to']], open(one['file'], 'rb').read(), mail_options=['BODY=8BITMIME'])
