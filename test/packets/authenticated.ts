// B15: an authentication header (RFC 4302) is a protocol that a rule can allow or refuse, and hides
// nothing: what is behind it has the ports it says, with IPv4 and IPv6.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { from, type Opener, type Rule, staged } from './scene.ts'

const ENDS = { 4: ['10.1.0.2', '10.2.0.2'], 6: ['fd01::a', 'fd02::9'] } as const
const [TCP, ESP, NONE, AH] = [6, 50, 59, 51]

type Family = 4 | 6

/** The header: what follows, its length in words less two, an index, a sequence, a sum. */
const header = (next: number, words = 4): Uint8Array => {
  const bytes = new Uint8Array((words + 2) * 4)
  bytes.set([next, words, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
  return bytes
}

const packet = (family: Family, ...parts: readonly Uint8Array[]): Uint8Array => {
  const [src, dst] = ENDS[family]
  const l3 =
    family === 4
      ? from('r0').ipv4(src, dst, { protocol: AH })
      : from('r0').ipv6(src, dst, { nextHeader: AH })
  return l3.payload(Uint8Array.of(...parts.flatMap(part => [...part]))).frame()
}

function segment(family: Family, port: number): Uint8Array {
  const [src, dst] = ENDS[family]
  const l3 = family === 4 ? from('r0').ipv4(src, dst) : from('r0').ipv6(src, dst)
  return l3
    .tcp(1000, port, { flags: 'S' })
    .payload(20)
    .frame()
    .slice(family === 4 ? 34 : 54)
}

const ssh = (family: Family): Uint8Array => packet(family, header(TCP), segment(family, 22))
const web = (family: Family): Uint8Array => packet(family, header(TCP), segment(family, 80))
const others = (family: Family): readonly Uint8Array[] => [
  packet(family, header(ESP), new Uint8Array(40)),
  packet(family, header(NONE)),
  packet(family, header(0), new Uint8Array(4)), // hop-by-hop options that end early
  packet(family, header(TCP, 200), new Uint8Array(8)), // longer than the packet
  packet(family, header(AH), header(TCP), segment(family, 80))
]

const port = (start: number) => ({ start, end: start })
const RULES: Readonly<
  Record<string, { rules: readonly Rule[]; ssh: boolean; web: boolean; others?: boolean }>
> = {
  'accept AH, drop all': {
    rules: [{ action: 'accept', protocol: 'ah' }, { action: 'drop' }],
    ...{ ssh: true, web: true, others: true }
  },
  'drop AH, accept all': {
    rules: [{ action: 'drop', protocol: 51 }, { action: 'accept' }],
    ...{ ssh: false, web: false, others: false }
  },
  'drop all but AH': {
    rules: [{ action: 'drop', protocol: 'ah', invertProtocol: true }],
    ...{ ssh: true, web: true, others: true }
  },
  'drop SSH, accept all': {
    rules: [{ action: 'drop', protocol: 'tcp', destinationPorts: port(22) }, { action: 'accept' }],
    ...{ ssh: false, web: true }
  },
  'accept the web, drop all': {
    rules: [{ action: 'accept', protocol: 'tcp', destinationPorts: port(80) }, { action: 'drop' }],
    ...{ ssh: false, web: true }
  }
}

export function authenticated(open: Opener): void {
  for (const [name, { rules, ...expected }] of Object.entries(RULES))
    describe(`B15: ${name}`, () => {
      const scene = staged(open, { inFilter: rules })
      const passes = (frame: Uint8Array): boolean => scene().send('r0', frame).length === 1
      for (const family of [4, 6] as const)
        test(`B15: v${family}`, () => {
          assert.equal(passes(ssh(family)), expected.ssh)
          assert.equal(passes(web(family)), expected.web)
          if (expected.others === undefined) return
          for (const [i, other] of others(family).entries())
            assert.equal(passes(other), expected.others, `other ${i}`)
        })
    })
}
