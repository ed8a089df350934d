// ExaBGP as a router outside: it keeps no routes itself, but gives what it hears to a program, and
// takes commands of it. That program is a shell here, with a file for each.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from '../../../src/lab/index.ts'
import { familyOf, type Kind, type UpstreamOptions } from '../upstream.ts'
import { missing, Router, versionOf } from './router.ts'

export const exabgp: Kind = {
  name: 'ExaBGP',
  missing: () => missing(['exabgp', 'tail']),
  version: () => versionOf(['exabgp', '--version']),
  lacks: { BFD: 'it speaks no BFD: a program beside it would' },
  keeps: false,
  start: (machine, options) => new ExaBgp(machine, options).open()
}

const settings = [
  'daemon.drop=false', // stays root: it binds nothing, and the folder is ours
  'api.cli=false',
  'api.ack=false',
  'log.destination=stderr',
  'log.level=INFO'
].map(each => `exabgp.${each}`)

class ExaBgp extends Router {
  constructor(machine: Machine, options: UpstreamOptions) {
    super('exabgp', machine, options)
    const [program, heard, commands] = ['program', 'heard', 'commands'].map(name =>
      this.#path(name)
    )
    writeFileSync(commands!, '')
    const script = `exec 3<&0; cat <&3 > ${heard} & exec tail -n +1 -f ${commands}\n`
    writeFileSync(program!, script)
    writeFileSync(this.#path('conf'), fileOf(options, program!), { mode: 0o600 })
  }

  async learned(): Promise<string[]> {
    const known = new Set<string>()
    if (!existsSync(this.#path('heard'))) return []
    for (const line of readFileSync(this.#path('heard'), 'utf8').split('\n').slice(0, -1))
      take(JSON.parse(line) as Message, known)
    return [...known]
  }

  protected async tell(network: string): Promise<void> {
    this.#command(`announce route ${network} next-hop self`)
  }

  protected async withdraw(network: string): Promise<void> {
    this.#command(`withdraw route ${network} next-hop self`)
  }

  protected command(): readonly string[] {
    return ['env', ...settings, 'exabgp', this.#path('conf')]
  }

  protected serves(): boolean {
    return existsSync(this.#path('heard'))
  }

  #command(line: string): void {
    writeFileSync(this.#path('commands'), `${line}\n`, { flag: 'a' })
  }

  #path(name: string): string {
    return join(this.folder, name)
  }
}

/** What it says in JSON, of which we read some. */
interface Message {
  readonly type?: string
  readonly neighbor?: {
    readonly state?: string
    readonly message?: {
      readonly update?: {
        readonly announce?: Routes
        readonly withdraw?: Routes
      }
    }
  }
}

/** By family; announced ones by next hop besides. */
type Routes = Readonly<Record<string, unknown>>

// What was told ends with the session.
function take({ type, neighbor }: Message, known: Set<string>): void {
  if (type === 'state' && neighbor?.state === 'down') known.clear()
  const { announce, withdraw } = neighbor?.message?.update ?? {}
  for (const each of prefixesIn(withdraw)) known.delete(each)
  for (const each of prefixesIn(announce)) known.add(each)
}

function prefixesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(prefixesIn)
  if (typeof value !== 'object' || value === null) return []
  const nlri = (value as { nlri?: unknown }).nlri
  return typeof nlri === 'string' ? [nlri] : Object.values(value).flatMap(prefixesIn)
}

function fileOf(options: UpstreamOptions, program: string): string {
  const { asn, routerId, peer, holdS, address, password, isGraceful = false } = options
  return `process teller {
  run /usr/bin/setpriv --pdeathsig KILL /bin/sh ${program};
  encoder json;
}
neighbor ${peer.address} {
  router-id ${routerId};
  local-address ${address};
  local-as ${asn};
  peer-as ${peer.asn};
  hold-time ${holdS};
  ${password === undefined ? '' : `md5-password "${password}";`}
  family { ipv${familyOf(address)} unicast; }
  capability { graceful-restart ${isGraceful ? 60 : 'disable'}; }
  api { processes [ teller ]; neighbor-changes; receive { parsed; update; } }
}
`
}
