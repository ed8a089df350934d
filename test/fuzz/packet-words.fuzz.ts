// Descriptions of packets, as people and programs write them: refused with a sentence, or made
// into a frame that says what was described.

import assert from 'node:assert/strict'
import { Refusal } from '../../src/api/http/refusal.ts'
import { frameOf, hexFrame, parsePacket } from '../../src/api/trace/packet.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import { campaign } from './campaign.ts'
import { type Draw, noise, pick } from './packets.ts'
import { hostileValue } from './values.ts'

const PROTOCOLS = ['tcp', 'udp', 'icmp', 'arp', 'nd', 'sctp', '']
const ENDS = [
  ...[
    '10.0.1.5',
    '10.0.1.5:80',
    '255.255.255.255:65535',
    '10.0.1.5:65536',
    '10.0.1',
    '::',
    'fd00::1'
  ],
  ...[
    '[fd00::1]:53',
    '[fd00::1',
    'fd00::1::2',
    '::ffff:10.0.0.1',
    '[10.0.0.1]:5',
    '0.0.0.0:0',
    ':80'
  ]
]
const OPTIONS = [
  ...[
    'ttl=5',
    'ttl=256',
    'ttl=-1',
    'ttl=',
    'vlan=10',
    'vlan=4095',
    'len=100',
    'len=9000',
    'len=1e3'
  ],
  ...[
    'flags=syn',
    'flags=syn,ack',
    'flags=',
    'flags=x',
    'id=7',
    'type=reply',
    'type=time-exceeded',
    'type=256',
    'code=3',
    'about udp 10.0.1.5:80 > 10.0.2.7:53',
    'about icmp fd00::1 > fd00::2',
    'seq=65536',
    'src=02:00:00:00:00:01'
  ],
  ...[
    'dst=ff:ff:ff:ff:ff:ff',
    'dst=02:00',
    '__proto__=1',
    'constructor=1',
    'toString=1',
    '=',
    'ttl=5'
  ]
]

// What is meant to be taken, mostly: else too little would get past the first words.
const GOOD = [
  'tcp 10.0.1.5:80 > 10.0.2.7:53',
  'udp [fd00::1]:5 > [fd00::2]:53',
  'icmp fd00::1 > ::1',
  'icmp 10.0.1.5 > 10.0.2.7 type=reply',
  'icmp 10.0.2.1 > 10.0.1.5 type=time-exceeded about tcp 10.0.1.5:80 > 10.0.2.7:53',
  'icmp fd00::9 > fd00::1 code=1 about udp [fd00::1]:5 > [fd00::2]:53'
]
const GOOD_OPTIONS = ['ttl=5', 'vlan=10', 'len=100', 'id=7', 'seq=9', 'src=02:00:00:00:00:01']

function good(draw: Draw): string {
  const options = new Set(Array.from({ length: draw(4) }, () => pick(draw, GOOD_OPTIONS)))
  return [pick(draw, GOOD), ...options].join(' ')
}

function text(draw: Draw): string {
  const options = Array.from({ length: draw(4) }, () => pick(draw, OPTIONS))
  const arrow = draw(30) === 0 ? pick(draw, ['', '>>', '→']) : '>'
  const words = [pick(draw, PROTOCOLS), pick(draw, ENDS), arrow, pick(draw, ENDS), ...options]
  const whole = words.join(draw(20) === 0 ? '\t ' : ' ')
  if (draw(6) !== 0) return whole
  const at = draw(whole.length + 1)
  return whole.slice(0, at) + String.fromCharCode(draw(0x300)) + whole.slice(at + draw(3))
}

function object(draw: Draw): unknown {
  const fields: [string, unknown][] = [
    ['protocol', pick(draw, PROTOCOLS)],
    ['from', pick(draw, ENDS)],
    ['to', pick(draw, ENDS)]
  ]
  for (let n = draw(4); n > 0; n--) {
    const option = pick(draw, OPTIONS)
    const [name, value] = option.split(option.startsWith('about ') ? ' ' : '=') as [string, string]
    fields.push([name, pick(draw, [value, Number(value), value.split(','), hostileValue(draw)])])
  }
  if (draw(10) === 0) fields.push(['about', draw(2) === 0 ? good(draw) : object(draw)])
  return draw(40) === 0 ? hostileValue(draw) : Object.fromEntries(fields)
}

const hexText = (draw: Draw): string =>
  Array.from(noise(draw, draw(60)), byte => byte.toString(16).padStart(1 + draw(2), '0')).join(
    pick(draw, ['', ' ', ':', '\n'])
  )

/** What it gives, or undefined for a refusal that names a field. */
function unlessRefused<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    assert.ok(error instanceof Refusal, `not a refusal: ${error}`)
    assert.ok(error.message.length > 0 && error.message.length < 4000, error.message)
    return undefined
  }
}

await campaign({
  name: 'packet words',
  runs: 300_000,
  seconds: 45,
  run(draw, note) {
    if (draw(10) === 0) {
      const hex = hexText(draw)
      note(hex)
      return unlessRefused(() => hexFrame(hex)) === undefined ? 'refused' : 'frames'
    }
    const given = draw(3) === 0 ? object(draw) : draw(2) === 0 ? good(draw) : text(draw)
    note(JSON.stringify(given))
    const packet = unlessRefused(() => parsePacket(given))
    if (packet === undefined) return 'refused'
    const { frame } = frameOf(packet)
    assert.doesNotMatch(describeFrame(frame), /bad-checksum|truncated/)
    return 'packets'
  }
})
