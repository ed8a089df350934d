// FRR as a router outside: zebra, bfdd and bgpd of its own, in a machine. All three go with bgpd.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Machine, must } from '../../../src/lab/index.ts'
import { familyOf, type Kind, type UpstreamOptions } from '../upstream.ts'
import { missing, Router, versionOf } from './router.ts'

const DAEMONS = '/usr/lib/frr'
const programs = ['zebra', 'bfdd', 'bgpd'].map(name => join(DAEMONS, name))

export const frr: Kind = {
  name: 'FRR',
  missing: () => missing([...programs, 'vtysh', 'unshare']),
  version: () => versionOf([join(DAEMONS, 'bgpd'), '--version']),
  lacks: {},
  keeps: true,
  start: async (machine, options) => {
    const router = new Frr(machine, options)
    await must(['chown', '-R', 'frr:frr', router.folder]) // whom the daemons become
    return router.open()
  }
}

class Frr extends Router {
  declare readonly folder: string

  constructor(machine: Machine, options: UpstreamOptions) {
    super('frr', machine, options)
    writeFileSync(this.#path('zebra.conf'), 'no zebra nexthop kernel enable\n')
    writeFileSync(this.#path('bfdd.conf'), bfddFile(options))
    writeFileSync(this.#path('bgpd.conf'), bgpdFile(options), { mode: 0o600 })
  }

  async learned(): Promise<string[]> {
    const text = await this.#ask(`show bgp ipv${this.#family} unicast json`)
    const { routes = {} } = JSON.parse(text) as { routes?: Record<string, Path[]> }
    const from = this.options.peer.address
    const isTold = ({ peerId, valid }: Path): boolean => peerId === from && valid === true
    return Object.keys(routes).filter(prefix => routes[prefix]!.some(isTold))
  }

  protected tell(network: string): Promise<void> {
    return this.#configure(`network ${network}`)
  }

  protected withdraw(network: string): Promise<void> {
    return this.#configure(`no network ${network}`)
  }

  // A bgpd that finds no zebra asks again after 10 s; what is established by then has no interface,
  // and its routes of IPv6 stay without a valid next hop. A socket of vtysh comes last of all.
  // Becoming another user they forget whom to die with; those of a namespace die with its first.
  protected command(): readonly string[] {
    const common = `--vty_socket ${this.folder} -z ${this.#path('zserv.api')} -P 0`
    const line = (name: string, more = ''): string =>
      `${join(DAEMONS, name)} ${common} -f ${this.#path(`${name}.conf`)} ` +
      `-i ${this.#path(`${name}.pid`)} ${more}`
    // Another machine than ours is not kept from running by what ours has to do.
    const first = `sh -c 'chrt --fifo --pid 1 $$ 2>/dev/null; exec "$@"' sh`
    const bfdd = `${first} ${line('bfdd', `--bfdctl ${this.#path('bfdd.sock')}`)}`
    const there = `until [ -S ${this.#path('zebra.vty')} ]; do sleep 0.1; done`
    const all = `${line('zebra')} & ${there}; ${bfdd} & ${line('bgpd')}; echo bgpd ended: $?`
    return ['unshare', '--pid', '--fork', '--kill-child', 'sh', '-c', all]
  }

  protected serves(): Promise<boolean> {
    return must(['vtysh', '--vty_socket', this.folder, '-c', 'show bgp summary']).then(
      () => true,
      () => false
    )
  }

  get #family(): 4 | 6 {
    return familyOf(this.options.address)
  }

  async #configure(line: string): Promise<void> {
    const { asn } = this.options
    await this.#ask(
      'configure terminal',
      `router bgp ${asn}`,
      `address-family ipv${this.#family} unicast`,
      line
    )
  }

  #ask(...lines: string[]): Promise<string> {
    const words = lines.flatMap(line => ['-c', line])
    return must(['vtysh', '--vty_socket', this.folder, ...words])
  }

  #path(name: string): string {
    return join(this.folder, name)
  }
}

interface Path {
  readonly peerId?: string
  readonly valid?: boolean
}

const bfddFile = ({ bfd }: UpstreamOptions): string =>
  bfd === undefined
    ? ''
    : `bfd
 profile cell
  transmit-interval ${bfd.intervalMs}
  receive-interval ${bfd.intervalMs}
  detect-multiplier ${bfd.multiplier}
`

function bgpdFile({ asn, routerId, peer, holdS, address, password, bfd }: UpstreamOptions): string {
  const name = `neighbor ${peer.address}`
  return `router bgp ${asn}
 bgp router-id ${routerId}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 ${name} remote-as ${peer.asn}
 ${name} timers ${Math.max(1, Math.floor(holdS / 3))} ${holdS}
 ${name} timers connect 1
 ${password === undefined ? '!' : `${name} password ${password}`}
 ${bfd === undefined ? '!' : `${name} bfd`}
 ${bfd === undefined ? '!' : `${name} bfd profile cell`}
 address-family ipv${familyOf(address)} unicast
  ${name} activate
`
}
