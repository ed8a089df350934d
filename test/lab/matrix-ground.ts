// The ground of the matrix on the kernel: the site of the oracles, whose hosts are namespaces and
// whose datapath is eBPF.

import { tool } from '../../src/lab/traffic/traffic.ts'
import type { GroundOf } from '../matrix/stage.ts'
import { canRun } from './datapath-lab.ts'
import { Site } from './oracle-site.ts'
import { KernelWorld, newWork, type Work } from './oracle-world.ts'

export class KernelGround {
  /** What the kernel did. */
  readonly seen: Work = newWork()
  readonly #site: Site

  static async open(): Promise<KernelGround> {
    if (canRun !== false) throw new Error(`no eBPF here: ${canRun}`)
    return new KernelGround(new Site(await tool('wire')))
  }

  private constructor(site: Site) {
    this.#site = site
  }

  get world(): GroundOf {
    return options => new KernelWorld(this.#site, options, { seen: this.seen })
  }

  close(): void {
    this.#site.close()
  }
}
