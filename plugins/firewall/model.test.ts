// Rules as the API takes them: what is refused, and in which words.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { portGroupModel } from '../../src/topology/models.ts'
import { checkObject } from '../../src/topology/validation.ts'
import { natActions } from '../nat/model.ts'
import { chainModel, ipGroupModel, ruleModelOf } from './model.ts'

const ruleModel = ruleModelOf(natActions)
const id = '00000000-0000-4000-8000-000000000001'
const other = '00000000-0000-4000-8000-000000000002'

const faults = (fields: object): string[] =>
  checkObject(ruleModel, { id, chain: id, action: 'drop', ...fields }).map(fault => fault.field)

describe('rules', () => {
  test('the plainest rule, and one with everything', () => {
    assert.deepEqual(faults({}), [])
    const full = {
      position: 3,
      action: 'jump',
      jumpChain: other,
      condInvert: true,
      fragmentPolicy: 'header',
      vlan: 5,
      inPorts: [id],
      invertInPorts: true,
      portGroup: other,
      ethType: 0x86dd,
      ethSrc: '02:00:00:00:00:01',
      ethSrcMask: 'ff:ff:ff:00:00:00',
      tos: 0xb8,
      protocol: 'tcp',
      source: '2001:db8::/32',
      destination: '10.0.0.0/8',
      sourcePorts: { start: 1 },
      destinationPorts: { start: 33_000, end: 65_535 },
      ipGroupSource: id
    }
    assert.deepEqual(faults(full), [])
  })

  const refused: [string, object, string][] = [
    ['an action nobody knows', { action: 'allow' }, 'action'],
    ['a jump to nowhere', { action: 'jump' }, 'jumpChain'],
    ['a target without a jump', { jumpChain: other }, 'jumpChain'],
    ['a protocol without a number', { protocol: 'tpc' }, 'protocol'],
    ['a protocol named like a method', { protocol: 'constructor' }, 'protocol'],
    ['a protocol out of range', { protocol: 256 }, 'protocol'],
    ['a negative ethertype', { ethType: -30_000 }, 'ethType'],
    ['a length as ethertype', { ethType: 1500 }, 'ethType'],
    ['host bits in a network', { source: '10.0.0.1/8' }, 'source'],
    ['a prefix too long', { destination: '10.0.0.0/33' }, 'destination'],
    ['ports the wrong way round', { sourcePorts: { start: 2, end: 1 } }, 'sourcePorts'],
    ['ports without ends', { destinationPorts: {} }, 'destinationPorts'],
    ['a port too high', { sourcePorts: { end: 65_536 } }, 'sourcePorts.end'],
    ['a mask without a MAC', { ethDstMask: 'ff:ff:ff:ff:ff:ff' }, 'ethDstMask'],
    ['an inversion of nothing', { invertSource: true }, 'invertSource'],
    ['B12: a mask of flags alone', { tcpFlagsMask: ['syn'] }, 'tcpFlagsMask'],
    ['B12: a flag beside its mask', { tcpFlags: ['ack'], tcpFlagsMask: ['syn'] }, 'tcpFlags'],
    ['B12: no flag at all', { tcpFlags: [] }, 'tcpFlags'],
    ['B12: a flag nobody knows', { tcpFlags: ['xyz'] }, 'tcpFlags[0]'],
    [
      'B12: flags of later fragments',
      { tcpFlags: ['syn'], fragmentPolicy: 'any' },
      'fragmentPolicy'
    ],
    ['a VLAN and none', { vlan: 1, noVlan: true }, 'vlan'],
    ['a position below one', { position: 0 }, 'position'],
    ['a field nobody knows', { nwSrc: '10.0.0.0/8' }, 'nwSrc']
  ]
  for (const [name, fields, field] of refused)
    test(`refused: ${name}`, () => assert.deepEqual(faults(fields), [field]))

  test('rules that translate: what they take, and what they do not', () => {
    const target = { from: '180.0.1.200' }
    const snat = { action: 'snat', natTargets: [target] }
    for (const rule of [
      snat,
      { ...snat, natThen: 'return', natTargets: [{ ...target, to: '180.0.1.205' }] },
      { ...snat, natTargets: [{ ...target, portFrom: 1, portTo: 65_535 }] },
      { ...snat, destinationPorts: { start: 80 }, fragmentPolicy: 'any' },
      { action: 'dnat', natTargets: [{ from: '2001:db8::1' }] },
      { action: 'masquerade', source: '10.0.0.0/8' },
      { action: 'reverse-dnat', natThen: 'accept' },
      { action: 'snat', source: 'fd00::/48', natPrefix: '2001:db8:1::/48' }
    ])
      assert.deepEqual(faults(rule), [])
    const cases: [object, string][] = [
      [{ action: 'snat' }, 'natTargets'],
      [{ action: 'accept', natTargets: [target] }, 'natTargets'],
      [{ action: 'masquerade', natTargets: [target] }, 'natTargets'],
      [{ action: 'drop', natThen: 'return' }, 'natThen'],
      [{ ...snat, natTargets: [{ ...target, to: '180.0.1.100' }] }, 'natTargets'],
      [{ ...snat, natTargets: [{ ...target, to: '::1' }] }, 'natTargets'],
      [{ ...snat, natTargets: [target, { from: '2001:db8::1' }] }, 'natTargets'],
      [{ ...snat, natTargets: [{ from: '224.0.0.1' }] }, 'natTargets'],
      [{ ...snat, natTargets: [{ from: '::1' }] }, 'natTargets'],
      [{ ...snat, natTargets: [{ ...target, portFrom: 5 }] }, 'natTargets'],
      [{ ...snat, natTargets: [{ ...target, portFrom: 5, portTo: 4 }] }, 'natTargets'],
      [{ ...snat, natPrefix: '10.0.0.0/8', source: '11.0.0.0/8' }, 'natTargets'],
      [{ action: 'snat', natPrefix: '10.0.0.0/8' }, 'source'],
      [{ action: 'dnat', natPrefix: '10.0.0.0/8' }, 'destination'],
      [{ action: 'snat', natPrefix: '10.0.0.0/8', source: '12.0.0.0/9' }, 'natPrefix']
    ]
    for (const [rule, field] of cases) assert.deepEqual([...new Set(faults(rule))], [field])
  })

  test('ports are in the first fragment: other policies are refused beside them', () => {
    const ports = { sourcePorts: { start: 1 } }
    for (const fragmentPolicy of ['any', 'nonheader'])
      assert.deepEqual(faults({ ...ports, fragmentPolicy }), ['fragmentPolicy'])
    for (const fragmentPolicy of ['header', 'unfragmented'])
      assert.deepEqual(faults({ ...ports, fragmentPolicy }), [])
    assert.deepEqual(faults({ fragmentPolicy: 'nonheader' }), [])
  })

  test('a fault says what was expected', () => {
    const [fault] = checkObject(ruleModel, { id, chain: id, action: 'drop', protocol: 'tpc' })
    assert.equal(fault?.value, 'tpc')
    assert.match(fault!.expected, /0 to 255, or one of icmp, igmp, tcp/)
  })
})

test('chains and groups', () => {
  assert.deepEqual(checkObject(chainModel, { id, name: 'in' }), [])
  assert.deepEqual(checkObject(portGroupModel, { id, name: 'g', ports: [id] }), [])
  const group = (addresses: string[]): string[] =>
    checkObject(ipGroupModel, { id, name: 'g', addresses }).map(fault => fault.field)
  assert.deepEqual(group(['10.0.0.1', '2001:db8::1']), [])
  assert.deepEqual(group(['10.0.0.1', '10.0.0.0/24']), ['addresses[1]'])
})
