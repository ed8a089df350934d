// What the demo builds, shows and takes away: the hosts of one process (local-site.ts), or a whole
// cluster of processes (cluster/cluster-site.ts). What is asked of both is here.

import type { ApiOptions } from '../api/server.ts'
import type { ApplianceConfig } from '../main/run.ts'
import type { Resources } from '../resource.ts'
import type { Faults } from './faults.ts'
import type { Ground, Heard, Renewed } from './ground.ts'
import type { HostView, ServiceReport } from './report/report.ts'
import type { Stop } from './stop.ts'

/** What a site is made of. */
export interface SiteOptions {
  readonly config: ApplianceConfig
  /** The plugins' data. */
  readonly plugins: readonly Resources[]
  readonly stop: Stop
}

/** Routes that whoever opens the API adds to it. */
export type Routes = NonNullable<ApiOptions['more']>

/** Something that `--once` does, and what came of connections that were opened then. */
export type Step = (faults: Faults) => Promise<Renewed | undefined>

/** The demo's network, and whatever makes it real. */
export interface Site {
  /** null until it was opened. */
  readonly ground: Ground | null
  /** Where the API is; '' until it listens. */
  readonly url: string
  /** The hosts whose agents were started, dead ones included. */
  readonly hosts: readonly HostView[]
  /** The other processes it stands on; none where all is one process. */
  readonly services: readonly ServiceReport[]
  /** What `--once` does to it, in this order. */
  readonly ordeal: readonly Step[]
  /**
   * Builds all of it and waits until first packets will find what they need. Throws LabError when
   * it is told to stop meanwhile; what stands then is for `close`.
   */
  build(heard: Heard, routes: Routes): Promise<Ground>
  /** What may be done to it; `begin` is called before each fault. Only once it is built. */
  faults(begin: (fault: string) => Promise<void>): Faults
  /** Resolves when counters and services have been looked at anew. */
  refresh(): Promise<void>
  /** Takes away what there is of it. */
  close(): Promise<void>
}
