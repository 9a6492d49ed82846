import { describe, expect, it } from 'vitest';
import { keyOfSecret, signedHeaders } from '../../src/webhooks/signature.js';

describe('signatures', () => {
  it('are those of the Standard Webhooks specification', () => {
    // The example of the specification and of its reference libraries.
    const key = keyOfSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')!;
    const at = 1_614_265_330_000;
    const headers = signedHeaders([key], 'msg_p5jXN8AQM9LWM0D4loKWxJek', at, Buffer.from('{"test": 2432232314}'));
    expect(headers).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('are one for each secret, so that secrets can be changed', () => {
    const keys = [keyOfSecret(`whsec_${'A'.repeat(32)}`)!, keyOfSecret(`whsec_${'B'.repeat(32)}`)!];
    const { 'webhook-signature': both } = signedHeaders(keys, 'i', 0, Buffer.from('x'));
    const [first] = keys;
    expect(both.split(' ')).toHaveLength(2);
    expect(both.split(' ')[0]).toBe(signedHeaders([first!], 'i', 0, Buffer.from('x'))['webhook-signature']);
  });

  it.each(['', 'secret', 'whsec_', 'whsec_AAAA', `whsec_${'A'.repeat(100)}`, 'whsec_not base64 at all, is it now?'])(
    'know that "%s" is no secret',
    (secret) => expect(keyOfSecret(secret)).toBeUndefined(),
  );
});
