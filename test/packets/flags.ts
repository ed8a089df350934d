// B12: a rule asks for TCP flags by a mask, and packets of one connection with other flags fare by
// their own: what one packet made of a flow is not done to another.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ip, type Opener, type Rule, staged } from './scene.ts'

const OPENING = { tcpFlags: ['syn'], tcpFlagsMask: ['syn', 'ack', 'rst', 'fin'] }
const ALL = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg']

interface Case {
  readonly rules: readonly Rule[]
  readonly passes: readonly string[] // in tcpdump's letters; '' for none
  readonly stops: readonly string[]
}

const CASES: Readonly<Record<string, Case>> = {
  'no opening': {
    rules: [{ action: 'drop', ...OPENING }],
    passes: ['SA', 'A', 'FA', 'R', 'PA', ''],
    stops: ['S', 'SP', 'SEW']
  },
  'nothing but openings': {
    rules: [{ action: 'accept', ...OPENING }, { action: 'drop' }],
    passes: ['S', 'SEW'],
    stops: ['SA', 'A', 'F', 'SF', 'SR', '']
  },
  'one flag, whatever the others': {
    rules: [{ action: 'drop', tcpFlags: ['rst'] }],
    passes: ['S', 'A', 'FA'],
    stops: ['R', 'RA']
  },
  'none of them': {
    rules: [{ action: 'drop', tcpFlags: [], tcpFlagsMask: ALL }],
    passes: ['S', 'F', 'A'],
    stops: ['', 'E']
  },
  'all but these': {
    rules: [{ action: 'drop', ...OPENING, invertTcpFlags: true }],
    passes: ['S'],
    stops: ['A', 'SA', 'R']
  },
  'flags and connections': {
    rules: [
      { action: 'drop', tcpFlags: ['fin', 'psh', 'urg'] },
      { action: 'accept', connectionStates: ['established'] },
      { action: 'accept', connectionStates: ['new'], ...OPENING },
      { action: 'drop' }
    ],
    passes: ['S', 'A', 'PA'],
    stops: ['FPU', 'FPUA']
  }
}

export function flags(open: Opener): void {
  for (const [name, { rules, passes, stops }] of Object.entries(CASES))
    describe(`B12: ${name}`, () => {
      const scene = staged(open, { inFilter: rules })
      for (const [src, dst] of [
        ['10.1.0.2', '10.2.0.2'],
        ['fd01::a', 'fd02::9']
      ] as const)
        test(`B12: of ${src}`, () => {
          const goes = (letters: string): boolean =>
            scene().send('r0', ip('r0', src, dst).tcp(1000, 80, { flags: letters })).length === 1
          for (let round = 0; round < 2; round++) {
            for (const letters of passes) assert.ok(goes(letters), `"${letters}" passes`)
            for (const letters of stops) assert.ok(!goes(letters), `"${letters}" does not`)
          }
          if (!name.startsWith('nothing') && !name.startsWith('all') && !name.startsWith('flags'))
            assert.equal(scene().send('r0', ip('r0', src, dst).udp(1, 2)).length, 1)
        })
    })
}
