// What cannot be given to FRR is refused by its field, and what could become another command is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '../../../../src/core/errors.ts'
import type { PeerConfig, SpeakerConfig, UplinkPlace } from '../engine.ts'
import * as good from './fixture.test.ts'
import { validateConfig, validatePlace, validateWatched } from './validate.ts'

// What is wrong is no value of theirs.
const peer = (more: object = {}): PeerConfig => good.peer(more)
const config = (more: object = {}): SpeakerConfig => good.config(more)

const entry = (more: object): object => ({
  peers: [peer({ import: { prefixes: [{ prefix: '10.0.0.0/8', action: 'permit', ...more }] } })]
})

test('what is right is taken', () => {
  validateConfig(config())
  validateConfig(config(entry({ ge: 8, le: 32 })))
  const bfd = { intervalMs: 10, multiplier: 3 }
  validateConfig(config({ peers: [peer({ bfd, password: 'a!"#~', multihop: 255 })] }))
})

const bad: [object, RegExp][] = [
  [{ asn: 0 }, /^asn is 0/],
  [{ asn: 1.5 }, /^asn is 1.5/],
  [{ routerId: '1.2.3' }, /^routerId is 1.2.3/],
  [{ routerId: '1.2.3.4\n!' }, /^routerId/],
  [{ gracefulRestartS: 0 }, /^gracefulRestartS is 0/],
  [{ maximumPaths: 65 }, /^maximumPaths is 65/],
  [{ networks: ['198.51.100.1/24'] }, /^networks is 198.51.100.1\/24; .*host bits/],
  [{ networks: ['198.51.100.0/24\nshutdown'] }, /^networks/],
  [{ peers: [peer(), peer()] }, /^peers\[1\].address is 10.9.0.2; .*no other peer/],
  [{ peers: [peer({ address: 'x' })] }, /^peers\[0\].address is x/],
  [{ peers: [peer({ holdS: 2 })] }, /^peers\[0\].holdS is 2/],
  [{ peers: [peer({ multihop: 256 })] }, /^peers\[0\].multihop is 256/],
  [{ peers: [peer({ bfd: { intervalMs: 9, multiplier: 3 } })] }, /bfd.intervalMs is 9/],
  [{ peers: [peer({ bfd: { intervalMs: 10, multiplier: 0 } })] }, /bfd.multiplier is 0/],
  [entry({ prefix: '10.0.0.1/8' }), /import.prefixes\[0\].prefix is 10.0.0.1\/8/],
  [entry({ ge: 7 }), /prefixes\[0\].ge is 7; expected 8 to 32/],
  [entry({ ge: 16, le: 15 }), /prefixes\[0\].le is 15; expected 16 to 32/],
  [entry({ action: 'perhaps' }), /action is perhaps/],
  [{ peers: [peer({ export: { prefixes: [], communities: ['1:2 additive'] } })] }, /communities/],
  [{ peers: [peer({ export: { prefixes: [], med: -1 } })] }, /export.med is -1/],
  [{ peers: [peer({ export: { prefixes: [], prepend: 17 } })] }, /export.prepend is 17/]
]

for (const [more, reason] of bad)
  test(`refused: ${JSON.stringify(more).slice(0, 60)}`, () => {
    assert.throws(
      () => validateConfig(config(more)),
      error => isFailure(error, 'INVALID') && reason.test(error.message)
    )
  })

test('a password that FRR would read as something else is refused, and not shown', () => {
  for (const password of ['', 'two words', 'help?', 'x'.repeat(81), 'line\nshutdown', 'ä'])
    assert.throws(
      () => validateConfig(config({ peers: [peer({ password })] })),
      error =>
        isFailure(error, 'INVALID') &&
        /password is \(not shown\)/.test(error.message) &&
        (password === '' || !error.message.includes(password))
    )
})

test('a place is refused by its field', () => {
  const place: UplinkPlace = {
    ...{ port: '5eed0001-0000-4000-8000-000000000001', mac: '02:00:00:00:00:01' },
    ...{ addresses: ['10.9.0.1/24'], packetNetns: null }
  }
  validatePlace(place)
  const wrong: [object, RegExp][] = [
    [{ port: '../../etc' }, /^MezzoError: port is/],
    [{ mac: '02' }, /^MezzoError: mac is 02/],
    [{ addresses: [] }, /^MezzoError: addresses is 0/],
    [{ addresses: ['10.9.0.1'] }, /^MezzoError: addresses is 10.9.0.1;/],
    [{ mtu: 100 }, /^MezzoError: mtu is 100/]
  ]
  for (const [more, reason] of wrong)
    assert.throws(() => validatePlace({ ...place, ...more }), reason)
})

test('neighbours watched by BFD alone: each address once, and none that is a peer', () => {
  const one = { address: '10.9.0.3', intervalMs: 300, multiplier: 3, shutdown: false }
  validateWatched([one, { ...one, address: 'fd00::3' }], [peer()])
  const refused = (watched: object[], at: RegExp): void =>
    assert.throws(
      () => validateWatched(watched as (typeof one)[], [peer()]),
      error => isFailure(error, 'INVALID') && at.test(error.message)
    )
  refused([one, one], /^watched\[1\].address is 10.9.0.3/)
  refused([{ ...one, address: '10.9.0.2' }], /^watched\[0\].address/)
  refused([{ ...one, address: '10.9.0.3\nshutdown' }], /^watched\[0\].address/)
  refused([{ ...one, intervalMs: 1 }], /^watched\[0\].intervalMs is 1/)
  refused([{ ...one, multiplier: 0 }], /^watched\[0\].multiplier is 0/)
})
