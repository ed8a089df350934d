// A host without a kernel: frames come from and go to the main thread as messages, where the
// tests' or the demo's virtual machines are. test/nat-agents.test.ts holds it.

import { MemoryDatapath } from '../../datapath/memory/memory.ts'
import type { Interface, InterfaceWatcher } from '../../host/ports/interface.ts'
import { parseIpv4 } from '../../wire/address.ts'
import type { FromThread, MemorySettings } from '../messages.ts'

const UNDERLAY = 1

/** What a packet thread stands on without a kernel: a memory datapath and its interfaces. */
export class MemoryPlatform implements InterfaceWatcher {
  readonly datapath: MemoryDatapath
  readonly #settings: MemorySettings

  constructor(settings: MemorySettings, now: () => number, send: (message: FromThread) => void) {
    this.#settings = settings
    const src = parseIpv4(settings.address)
    const { flowsMax, creditsPerPort } = settings
    this.datapath = new MemoryDatapath(
      {
        output: (ifindex, frame) => send({ is: 'frame', interface: this.#name(ifindex), frame }),
        tunnel: ({ remote, key }, frame) => send({ is: 'tunnelled', remote, key, src, frame })
      },
      { now, flowsMax, creditsPerPort }
    )
  }

  list(): Interface[] {
    const common = {
      up: true,
      mtu: 1500,
      mac: '02:00:00:00:00:01',
      kind: 'tun',
      peerElsewhere: false
    }
    const { address, interfaces } = this.#settings
    return [
      { ...common, ifindex: UNDERLAY, name: 'underlay', addresses: [address] },
      ...interfaces.map((name, i) => ({ ...common, ifindex: i + 2, name, addresses: [] }))
    ]
  }

  onChange(): void {}

  leadOut(): ReadonlySet<string> {
    return new Set()
  }

  close(): void {}

  /** A frame comes in by an interface. */
  input(name: string, frame: Uint8Array): void {
    this.datapath.input(this.#settings.interfaces.indexOf(name) + 2, frame)
  }

  /** A tunnelled frame comes in: its key, the sender's underlay address, the frame inside. */
  fromUnderlay(key: number, src: number, frame: Uint8Array): void {
    this.datapath.input(UNDERLAY, frame, { key, src })
  }

  #name(ifindex: number): string {
    return this.#settings.interfaces[ifindex - 2] ?? ''
  }
}
