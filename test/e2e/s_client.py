"""Submits one message through `openssl s_client`, a command at a time. Argument as for submit.py."""
import base64
import json
import subprocess
import sys

one = json.loads(sys.argv[1])
command = ['openssl', 's_client', '-quiet', '-verify_return_error', '-CAfile', one['ca'], '-verify_ip', '127.0.0.1']
command += ['-connect', '127.0.0.1:%d' % one['port']]
if one['kind'] != 'smtps':
    command += ['-starttls', 'smtp', '-name', 'client.example']
if one['mechanism'] == 'EXTERNAL':
    command += ['-cert', one['certificate']['cert'], '-key', one['certificate']['key']]
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def reply(code):
    line = b''
    while line[3:4] != b' ':
        line = child.stdout.readline()
        if line == b'':
            child.kill()
            sys.exit('closed instead of %d: %s' % (code, child.stderr.read().decode()))
    if not line.startswith(b'%d ' % code):
        child.kill()
        sys.exit('wanted %d, got %s' % (code, line.decode()))


def say(line, code):
    child.stdin.write(line + b'\r\n')
    child.stdin.flush()
    reply(code)


if one['kind'] == 'smtps':
    reply(220)
say(b'EHLO client.example', 250)
user, password = one['user'].encode(), one['password'].encode()
initial = user if one['mechanism'] == 'EXTERNAL' else b'\0' + user + b'\0' + password
say(b'AUTH ' + one['mechanism'].encode() + b' ' + base64.b64encode(initial), 235)
say(b'MAIL FROM:<' + one['from'].encode() + b'> BODY=8BITMIME', 250)
say(b'RCPT TO:<' + one['to'].encode() + b'>', 250)
say(b'DATA', 354)
body = open(one['file'], 'rb').read()
say(body.replace(b'\r\n.', b'\r\n..') + b'.', 250)
say(b'QUIT', 221)
child.stdin.close()
child.wait(10)
