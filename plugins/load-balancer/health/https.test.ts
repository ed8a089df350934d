// An HTTPS check against real TLS: the member is Node's own TLS server, behind a few lines of TCP.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import test from 'node:test'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { SystemClock, sleep } from '../../../src/core/clock.ts'
import { eth, type PacketBuilder } from '../../../src/wire/builder.ts'
import { BalancedLab, endsOf, hostMac, member, portMac } from '../fixture.test.ts'

const ROUNDS_MAX = 3000
const SEGMENT_MAX = 1200
const clock = new SystemClock()

// A key and certificate of this run only; undefined without openssl.
function secure(): SecureContext | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-tls-'))
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')]
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'.split(
    ' '
  )
  try {
    const into = ['-subj', '/CN=member', '-keyout', key, '-out', cert]
    execFileSync('openssl', [...args, ...into], { stdio: 'ignore' })
    return createSecureContext({ key: readFileSync(key), cert: readFileSync(cert) })
  } catch {
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const context = secure()
const options = context === undefined ? { skip: 'openssl is not here' } : {}

/** The member at d1, one connection at a time. */
class Member {
  readonly out: Uint8Array[] = []
  readonly requests: string[] = []
  readonly #status: string
  readonly #isTls: boolean
  #sequence = 0
  #next = 0
  #pipe: Duplex | null = null
  #l3!: PacketBuilder
  #ports: [number, number] = [0, 0]

  constructor(status: string, isTls: boolean) {
    this.#status = status
    this.#isTls = isTls
  }

  heard(frame: Uint8Array): void {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    if (view.getUint8(23) !== 6) return
    const { src, dst, sport, dport } = endsOf({ port: 'd1', frame })
    const flags = view.getUint8(47)
    const sequence = view.getUint32(38)
    if ((flags & 2) !== 0) {
      this.#l3 = eth(hostMac('d1'), portMac('d1')).ipv4(dst, src)
      this.#ports = [dport, sport]
      this.#sequence = 7000
      this.#next = (sequence + 1) >>> 0
      this.#say('S.')
      this.#sequence = 7001
      this.#accept()
      return
    }
    const data = frame.slice(54)
    if (data.length === 0 || sequence !== this.#next) return
    this.#next = (this.#next + data.length) >>> 0
    this.#say('.')
    this.#pipe?.push(data)
  }

  #accept(): void {
    this.#pipe = new Duplex({
      read: () => {},
      write: (chunk: Uint8Array, _encoding, done) => {
        for (let at = 0; at < chunk.length; at += SEGMENT_MAX)
          this.#say('P.', chunk.subarray(at, at + SEGMENT_MAX))
        done()
      }
    })
    const socket = this.#isTls
      ? new TLSSocket(this.#pipe, { isServer: true, secureContext: context! })
      : this.#pipe
    socket.on('error', () => {})
    socket.on('data', (bytes: Uint8Array) => {
      this.requests.push(new TextDecoder('latin1').decode(bytes))
      socket.write(`HTTP/1.1 ${this.#status}\r\nConnection: close\r\n\r\n`)
    })
  }

  #say(flags: string, data: Uint8Array = new Uint8Array(0)): void {
    const [from, to] = this.#ports
    const fields = { flags, sequence: this.#sequence, acknowledgement: this.#next, window: 9000 }
    this.out.push(this.#l3.tcp(from, to, fields).payload(data).frame())
    this.#sequence += data.length
  }
}

async function judged(member: Member): Promise<string> {
  const lab = new BalancedLab({
    pool: { healthMonitor: 'hm' },
    members: [memberAt],
    more: [monitor]
  })
  lab.memberFor(1)
  for (let round = 0; round < ROUNDS_MAX; round++) {
    lab.world.settle(5)
    for (const { port, frame } of lab.world.delivered.splice(0))
      if (port === 'd1') member.heard(frame)
    for (const frame of member.out.splice(0)) lab.world.send('d1', frame)
    const said = lab.world.store.table('health/p').get('m-d1')?.value
    if (said !== undefined) return said.replace(/ \d+ /, ' ')
    await sleep(clock, 1) // TLS has its turn
  }
  return 'nothing'
}

const memberAt = member('d1', { port: 8443 })
const fields = { type: 'https', intervalMs: 60_000, timeoutMs: 60_000, host: 'member' }
const monitor = { kind: 'health-monitor', value: { id: 'hm', ...fields } }

test('https: asked in TLS, judged by its status', options, async () => {
  const well = new Member('204 No Content', true)
  assert.equal(await judged(well), 'up well')
  assert.match(well.requests.join(''), /^GET \/ HTTP\/1\.1\r\nHost: member\r\n/)
  assert.equal(await judged(new Member('500 No', true)), 'down status-500')
})

test('https: a server without TLS is down', async () => {
  assert.equal(await judged(new Member('200 OK', false)), 'down tls')
})
