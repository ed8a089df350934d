// What a capture on the underlay shows of a new connection: its state to every gateway, from each
// the acknowledgement of that very message, and only then the packet itself.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, until } from '../../src/lab/index.ts'
import { Network, patient } from './fixtures/index.ts'
import { Ground } from './survival/ground.ts'

const skip = Network.skip()
const CALLS = 20
const TUNNEL = 14 + 20 + 8 // outer Ethernet, IPv4, UDP
const INNER = TUNNEL + 8
const PAYLOAD = INNER + 14 + 20 + 8
const BODY = PAYLOAD + 40
const STATE_KEY = 'ffffff'
const Type = { state: 4, acknowledgement: 5 } as const
const SYN = 2

interface Seen {
  readonly is: 'state' | 'acknowledgement' | 'syn'
  readonly peer: string // the other host's underlay address
  readonly bytes: Buffer
}

function seen(frame: Uint8Array, ours: string): Seen | undefined {
  const bytes = Buffer.from(frame)
  if (bytes.length < PAYLOAD) return undefined
  const [from, to] = [addressAt(bytes, 26), addressAt(bytes, 30)]
  const peer = from === ours ? to : from
  if (bytes.toString('hex', TUNNEL + 4, TUNNEL + 7) !== STATE_KEY) {
    const isTcp =
      bytes.toString('hex', INNER + 12, INNER + 14) === '0800' && bytes[INNER + 23] === 6
    return isTcp && bytes[INNER + 47] === SYN ? { is: 'syn', peer, bytes } : undefined
  }
  const type = bytes[PAYLOAD + 3]
  if (from === ours && type === Type.state) return { is: 'state', peer, bytes }
  if (to === ours && type === Type.acknowledgement) return { is: 'acknowledgement', peer, bytes }
  return undefined
}

const addressAt = (bytes: Buffer, at: number): string => [...bytes.subarray(at, at + 4)].join('.')
const sequenceOf = ({ bytes }: Seen): Buffer => bytes.subarray(PAYLOAD + 32, PAYLOAD + 40)

describe('state, acknowledgement, then the packet', { skip }, () => {
  let ground: Ground

  before(async () => {
    ground = await Ground.open({
      prefix: 'mz-lab-order',
      processes: false,
      agents: { state: patient }
    })
    await ground.returnBy('gateway2')
  })

  after(() => ground?.close())

  test('ST-01: a capture proves the order of every one of them', async () => {
    const { from, to } = ground.client('firewall')
    const { port } = ground.servers.get('firewall')!
    await call(from, to, { port, count: 5, perSecond: 10 })
    const compute = ground.net.host('compute1')
    const { ip } = compute.underlay
    const capture = await compute.capture('underlay0', 'udp port 4789')
    await call(from, to, { port, count: CALLS, perSecond: 20 })
    let frames: (Seen | undefined)[] = []
    let syns: number[] = []
    await until(`${CALLS} SYN are captured`, () => {
      frames = capture.raw().map(({ bytes }) => seen(bytes, ip))
      syns = frames.flatMap((each, i) => (each?.is === 'syn' ? [i] : []))
      return syns.length >= CALLS
    })
    await capture.stop()
    const gateways = ['gateway1', 'gateway2'].map(name => ground.net.host(name).underlay.ip)
    for (const at of syns) {
      const before = frames.slice(0, at)
      const ports = frames[at]!.bytes.subarray(INNER + 34, INNER + 38)
      for (const peer of gateways) {
        // More than one when it was said again: any of them will do.
        const said = before.flatMap((each, i) =>
          each?.is === 'state' && each.peer === peer && each.bytes.includes(ports, BODY) ? [i] : []
        )
        assert.notEqual(said.length, 0, `SYN ${at} left before its state went to ${peer}`)
        const acknowledges = (each: Seen | undefined, sent: number): boolean =>
          each?.is === 'acknowledgement' &&
          each.peer === peer &&
          each.bytes.includes(sequenceOf(before[sent]!), BODY)
        const acknowledged = said.some(sent =>
          before.slice(sent + 1).some(each => acknowledges(each, sent))
        )
        assert.ok(acknowledged, `SYN ${at} left before ${peer} had acknowledged its state`)
      }
    }
  })
})
