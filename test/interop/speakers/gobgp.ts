// GoBGP as a router outside: gobgpd in a machine, asked by gobgp.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from '../../../src/lab/index.ts'
import { familyOf, type Kind, type UpstreamOptions } from '../upstream.ts'
import { missing, Router, versionOf } from './router.ts'

export const gobgp: Kind = {
  name: 'GoBGP',
  missing: () => missing(['gobgpd', 'gobgp']),
  version: () => versionOf(['gobgpd', '--version']),
  lacks: { BFD: 'it speaks no BFD, and none of its configuration asks for any' },
  keeps: true,
  start: (machine, options) => new GoBgp(machine, options).open()
}

const API_PORT = 50_051 // of loopback, in a machine of its own

class GoBgp extends Router {
  constructor(machine: Machine, options: UpstreamOptions) {
    super('gobgp', machine, options)
    writeFileSync(this.#file, fileOf(options), { mode: 0o600 })
  }

  /** As it sends packets: of routes that it has chosen, those of the peer. */
  async learned(): Promise<string[]> {
    const text = await this.#ask('global', 'rib', ...this.#family, '-j')
    const all = (JSON.parse(text.trim() || '{}') ?? {}) as Record<string, Path[]>
    const from = this.options.peer.address
    return Object.keys(all).filter(prefix =>
      all[prefix]!.some(path => path['neighbor-ip'] === from)
    )
  }

  protected async tell(network: string): Promise<void> {
    await this.#ask('global', 'rib', 'add', network, ...this.#family)
  }

  protected async withdraw(network: string): Promise<void> {
    await this.#ask('global', 'rib', 'del', network, ...this.#family)
  }

  protected command(): readonly string[] {
    const listens = ['--api-hosts', `127.0.0.1:${API_PORT}`, '--pprof-disable']
    return ['gobgpd', '-t', 'toml', '-f', this.#file, ...listens]
  }

  protected serves(): Promise<boolean> {
    return this.#ask('neighbor').then(
      text => text.includes(this.options.peer.address),
      () => false
    )
  }

  #ask(...words: string[]): Promise<string> {
    return this.machine.must(['gobgp', '-u', '127.0.0.1', '-p', `${API_PORT}`, ...words])
  }

  get #family(): string[] {
    return ['-a', `ipv${familyOf(this.options.address)}`]
  }

  get #file(): string {
    return join(this.folder, 'gobgpd.toml')
  }
}

interface Path {
  readonly 'neighbor-ip'?: string
}

const fileOf = ({ asn, routerId, peer, holdS, address, password }: UpstreamOptions): string =>
  `[global.config]
  as = ${asn}
  router-id = "${routerId}"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${peer.address}"
    peer-as = ${peer.asn}
    ${password === undefined ? '' : `auth-password = "${password}"`}
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = ${holdS}
    keepalive-interval = ${Math.max(1, Math.floor(holdS / 3))}
    idle-hold-time-after-reset = 1
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv${familyOf(address)}-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
`
