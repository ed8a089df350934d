// Other hosts as their signs of life show them, and those of which there was never one.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../core/clock.ts'
import { CounterTable } from '../../core/counters.ts'
import type { Exchange } from '../../state/exchange/exchange.ts'
import { hostHash } from '../../state/record.ts'
import { HostEvents } from '../events.ts'
import { Peers, type PeersParts } from './peers.ts'

const other = (host: string) => ({ host, address: 1, local: 2 })

function ground(exchange: object | null = { setPeers: () => {} }) {
  const [clock, events] = [new VirtualClock(), new HostEvents()]
  const said: string[] = []
  events.peer.on((host, alive) => said.push(`${host} ${alive ? 'answers' : 'is dead'}`))
  events.agentAway.on((host, away) => said.push(`${host} is ${away ? 'away' : 'there'}`))
  const counters = new CounterTable()
  const peers = new Peers({
    ...({} as PeersParts),
    ...{ exchange: exchange as Exchange | null, clock, counters, events }
  })
  const tell = (host: string, alive: boolean, agent: boolean): void =>
    events.liveness({ word: hostHash(host), host: alive, agent })
  const shown = (): string[] =>
    peers.list().map(({ host, alive, agentAlive }) => `${host} ${alive} ${agentAlive}`)
  return { clock, peers, said, shown, tell }
}

test('one of which nothing was told is there, and its agent is away', () => {
  const { clock, peers, said, shown, tell } = ground()
  peers.set([other('a'), other('b'), other('c')])
  tell('b', true, true)
  tell('c', false, false)
  assert.deepEqual(shown(), ['a true false', 'b true true', 'c false false'])
  clock.advance(400)
  assert.deepEqual(said.sort(), ['a is away', 'b answers', 'b is there', 'c is away', 'c is dead'])
  said.length = 0
  peers.set([other('a'), other('b'), other('c'), other('d')])
  clock.advance(400)
  assert.ok(said.includes('d is away'), 'of one that came later too')
  said.length = 0
  tell('d', true, true)
  assert.deepEqual(said, ['d answers', 'd is there'])
})

test('what was told of one that is no peer any more is forgotten', () => {
  const { peers, shown, tell } = ground()
  peers.set([other('a'), other('b')])
  tell('b', false, false)
  peers.set([other('a')])
  tell('b', false, false)
  peers.set([other('a'), other('b')])
  assert.deepEqual(shown(), ['a true false', 'b true false'])
})

test('where hosts exchange nothing nobody is taken for away', () => {
  const { clock, peers, said, shown } = ground(null)
  peers.set([other('a')])
  clock.advance(1000)
  assert.deepEqual([said, shown()], [[], ['a true false']])
})
