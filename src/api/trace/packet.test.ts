// Packets described in words: what they become, and which word is to blame when they cannot.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../../test/cases.ts'
import { describeFrame } from '../../wire/describe.ts'
import { Refusal } from '../http/refusal.ts'
import { frameOf, hexFrame, parsePacket } from './packet.ts'

const told = (description: unknown): string =>
  describeFrame(frameOf(parsePacket(description)).frame)

for (const [text, expect] of [
  ['tcp 10.0.1.5:1234 > 10.0.2.7:80', /IPv4 10\.0\.1\.5 > 10\.0\.2\.7 ttl 64 TCP 1234 > 80/],
  ['tcp 10.0.1.5 > 10.0.2.7:80 flags=syn,ack', /TCP 49152 > 80/],
  ['udp [fd00::1]:53 > [fd00::2]:53 len=5', /IPv6 fd00::1 > fd00::2 .*UDP 53 > 53 length 5/],
  ['icmp 10.0.1.5 > 10.0.2.7 ttl=5', /ttl 5 ICMP/],
  ['icmp fd00::1 > fd00::2', /ICMPv6/],
  ['arp 10.0.1.5 > 10.0.1.1', /> ff:ff:ff:ff:ff:ff ARP/],
  ['nd fd00::5 > fd00::1', /> 33:33:ff:00:00:01 .*fd00::1/],
  ['icmp 10.0.1.5 > 10.0.2.7 src=02:00:00:00:00:05 vlan=10', /^02:00:00:00:00:05 > .* vlan 10/],
  ['icmp 10.0.1.5 > 10.0.2.7 type=reply id=3', /ICMP echo reply id 3/],
  ['icmp fd00::1 > fd00::2 type=reply', /ICMPv6 echo reply/],
  ['icmp 10.0.2.1 > 10.0.1.5 type=13', /ICMP type 13/],
  [
    'icmp 10.0.2.1 > 10.0.1.5 type=time-exceeded about tcp 10.0.1.5:1234 > 10.0.2.7:80 ttl=1',
    /ICMP time-exceeded .*10\.0\.1\.5 > 10\.0\.2\.7/
  ],
  ['icmp fd00::9 > fd00::1 about udp [fd00::1]:53 > [fd00::2]:54', /ICMPv6 .*unreachable/],
  ['  icmp   10.0.1.5  >  10.0.2.7 ', /10\.0\.1\.5 > 10\.0\.2\.7/]
] as const)
  test(`packet: ${text}`, () => assert.match(told(text), expect))

test('packet: an object says the same as text', () => {
  const text = 'tcp 10.0.1.5:1234 > 10.0.2.7:80 vlan=7 ttl=3 len=9 flags=syn,ack'
  const object = {
    protocol: 'tcp',
    from: '10.0.1.5:1234',
    to: '10.0.2.7:80',
    vlan: 7,
    ttl: 3,
    len: 9,
    flags: ['syn', 'ack']
  }
  assert.deepEqual(frameOf(parsePacket(object)), frameOf(parsePacket(text)))
})

test('packet: what was filled in is told', () => {
  const { assumed } = frameOf(parsePacket('tcp 10.0.1.5 > 10.0.2.7:80'))
  assert.deepEqual(assumed, ['src=02:4d:0a:00:01:05', 'dst=02:4d:0a:00:02:07', 'port 49152'])
  const whole = 'icmp 10.0.1.5 > 10.0.2.7 src=02:00:00:00:00:05 dst=02:00:00:00:00:07'
  assert.deepEqual(frameOf(parsePacket(whole)).assumed, [])
})

for (const [description, field, expected] of [
  ['', 'packet', />/],
  ['icmp 10.0.1.5', 'packet', />/],
  ['icmp 10.0.1.5 10.0.2.7', 'packet', />/],
  ['igmp 10.0.1.5 > 10.0.2.7', 'protocol', /tcp, udp, icmp, arp, nd/],
  ['icmp 10.0.1 > 10.0.2.7', 'from', /address/],
  ['icmp 10.0.1.5 > fd00::1', 'to', /IPv4/],
  ['tcp 10.0.1.5:1 > 10.0.2.7', 'to', /10\.0\.2\.7:80/],
  ['tcp 10.0.1.5:99999 > 10.0.2.7:80', 'from', /65535/],
  ['icmp 10.0.1.5:7 > 10.0.2.7', 'from', /no port/],
  ['arp fd00::1 > fd00::2', 'protocol', /nd/],
  ['nd 10.0.0.1 > 10.0.0.2', 'protocol', /arp/],
  ['icmp 10.0.1.5 > 10.0.2.7 ttl=256', 'ttl', /255/],
  ['icmp 10.0.1.5 > 10.0.2.7 vlan=0', 'vlan', /4094/],
  ['icmp 10.0.1.5 > 10.0.2.7 src=02', 'src', /MAC/],
  ['icmp 10.0.1.5 > 10.0.2.7 flags=syn', 'flags', /tcp/],
  ['tcp 10.0.1.5 > 10.0.2.7:80 flags=sin', 'flags', /syn/],
  ['icmp 10.0.1.5 > 10.0.2.7 colour=red', 'packet', /ttl/],
  ['icmp 10.0.1.5 > 10.0.2.7 ttl=1 ttl=2', 'ttl', /once/],
  ['icmp 10.0.1.5 > 10.0.2.7 len=9999', 'len', /8940/],
  ['udp 10.0.1.5 > 10.0.2.7:80 type=reply', 'type', /only icmp/],
  ['udp 10.0.1.5 > 10.0.2.7:80 about icmp 10.0.1.5 > 10.0.2.7', 'about', /only icmp/],
  ['icmp 10.0.1.5 > 10.0.2.7 type=echo', 'type', /request, reply/],
  ['icmp 10.0.1.5 > 10.0.2.7 type=256', 'type', /number/],
  ['icmp 10.0.1.5 > 10.0.2.7 code=256', 'code', /255/],
  ['icmp 10.0.1.5 > 10.0.2.7 type=reply about icmp 10.0.2.7 > 10.0.1.5', 'about', /quotes no/],
  ['icmp 10.0.1.5 > 10.0.2.7 about udp 10.0.2.7 > 10.0.1.5', 'to', /port/],
  ['icmp 10.0.1.5 > 10.0.2.7 about icmp fd00::1 > fd00::2', 'about', /IPv4/],
  ['icmp 10.0.1.5 > 10.0.2.7 about arp 10.0.2.7 > 10.0.1.5', 'about', /tcp, udp/],
  ['icmp 10.0.1.5 > 10.0.2.7 about icmp 1.1.1.1 > 1.1.1.2 about x', 'packet', /once/],
  ['x'.repeat(2000), 'packet', /1024/],
  [{ protocol: 'icmp', from: 7, to: '10.0.0.1' }, 'from', /address/],
  [{ protocol: 'icmp', from: '10.0.0.2', to: '10.0.0.1', colour: 1 }, 'colour', /no such field/],
  [7, 'packet', /text/],
  [null, 'packet', /text/]
] as const)
  test(`packet refused: ${JSON.stringify(description).slice(0, 60)}`, () => {
    assert.throws(
      () => parsePacket(description),
      (error: unknown) => {
        assert.ok(error instanceof Refusal)
        assert.equal(error.faults[0]?.field, field)
        assert.match(error.faults[0]?.expected ?? '', expected)
        return true
      }
    )
  })

test('packet: no words whatever do more than be refused', () => {
  const word = fc.constantFrom(
    'tcp',
    'icmp',
    '>',
    '10.0.0.1',
    '[::1]:5',
    'ttl=3',
    'vlan=',
    'flags='
  )
  const words = fc.array(fc.oneof(word, fc.string({ maxLength: 8 })), { maxLength: 8 })
  fc.assert(
    fc.property(
      fc.oneof(
        words.map(each => each.join(' ')),
        fc.jsonValue()
      ),
      description => {
        try {
          frameOf(parsePacket(description))
        } catch (error) {
          assert.ok(error instanceof Refusal, String(error))
        }
      }
    ),
    { seed: 11, numRuns: casesOf(3000) }
  )
})

test('frame: hexadecimal with or without separators, of a sane length', () => {
  const bytes = '02:00:00:00:00:01 02:00:00:00:00:02 0800'
  assert.equal(hexFrame(bytes).length, 14)
  assert.equal(hexFrame(bytes)[5], 1)
  for (const bad of ['', '0', 'zz'.repeat(20), '00'.repeat(13), '00'.repeat(9217), `${bytes}0`])
    assert.throws(() => hexFrame(bad), /hexadecimal/)
})
