// `npm start`: builds the demo's network, lets agents make it real, asks every pair, opens
// connections, shows what becomes of them whatever is done to the hosts, and takes it all down
// again. What is here is the order of things; plan.ts is the network, site.ts builds it, check.ts
// and survival.ts are the judges, table.ts the picture. test/lab/demo.test.ts holds it.

import { setTimeout as sleep } from 'node:timers/promises'
import { Lab, LabError } from '../lab/index.ts'
import { kernelUnavailable } from '../main/host/kernel.ts'
import type { ApplianceConfig } from '../main/run.ts'
import { flowStateOf } from '../main/state-settings.ts'
import type { Resources } from '../resource.ts'
import { addDemoRoutes } from './fault-routes.ts'
import type { Faults } from './faults.ts'
import type { Passed, Renewed } from './ground.ts'
import { LocalSite } from './local-site.ts'
import { Check } from './report/check.ts'
import { type Report, reportHost, reportPairs, round } from './report/report.ts'
import { outcomeText, Survival } from './report/survival.ts'
import { reportWays, type WayReport } from './report/ways.ts'
import { Screen } from './screen/screen.ts'
import type { Site } from './site.ts'
import { STOPPED, type Stop, stopSignal } from './stop.ts'

/** What the demo is started with. */
export interface DemoOptions {
  /** Builds, checks, reports and ends. */
  readonly once: boolean
  /** The report as JSON. */
  readonly json: boolean
  /** Without a kernel, even where one could be had. */
  readonly memory: boolean
  /** As a cluster of processes. */
  readonly cluster: boolean
  readonly config: ApplianceConfig
  /** The plugins' data. */
  readonly plugins: readonly Resources[]
}

const ROUND_MS = 2000
const WATCH_MS = 500
const STEADY_MS = 1000
// TCP's own timer backs off to a second and more while nothing gets through.
const SETTLE_MS = 2000
const SETTLED_MS = 30_000
/** Runs the demo until it is told to stop; gives the exit code. */
export async function runDemo(options: DemoOptions): Promise<number> {
  // Refuses what does not go together, before anything is built.
  flowStateOf(options.config.state, options.plugins)
  let demo: Demo | undefined
  try {
    demo = new Demo(options, await open(options))
    return await demo.run()
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    process.stderr.write(`mezzo: ${error.message}\n`)
    return 1
  } finally {
    await demo?.close()
  }
}

interface Opened {
  readonly site: Site
  readonly stop: Stop
  /** Why there is no kernel datapath, when one was asked for. */
  readonly reason: string | null
}

async function open(options: DemoOptions): Promise<Opened> {
  const reason = options.memory ? null : (kernelUnavailable() ?? Lab.available())
  if (options.cluster && reason !== null) throw new LabError(`no cluster: ${reason}`)
  const stop = stopSignal()
  const isMemory = options.memory || reason !== null
  if (!options.cluster) return { site: new LocalSite({ ...options, isMemory, stop }), stop, reason }
  const { ClusterSite } = await import('./cluster/cluster-site.ts')
  return { site: await ClusterSite.prepare({ ...options, stop }), stop, reason }
}

class Demo {
  readonly #options: DemoOptions
  readonly #screen = new Screen(process.stdout)
  readonly #startedMs = performance.now()
  readonly #reason: string | null
  readonly #stop: Stop
  readonly #site: Site
  #building: Promise<Check> | null = null
  #check: Check | null = null
  #survival: Survival | null = null
  #faults: Faults | null = null
  readonly #renewed: Renewed[] = []
  #passed: readonly Passed[] = []
  #passedMs = 0
  #ways: readonly WayReport[] = []

  constructor(options: DemoOptions, { site, stop, reason }: Opened) {
    this.#options = options
    this.#site = site
    this.#stop = stop
    this.#reason = reason
  }

  async run(): Promise<number> {
    const { once, json } = this.#options
    this.#announce()
    if (once && this.#isFallback) {
      if (json) process.stdout.write(`${JSON.stringify(this.#report(), null, 2)}\n`)
      return 1
    }
    this.#building = this.#build()
    const check = await Promise.race([this.#building, this.#stop.signal])
    if (check === undefined) return STOPPED
    await Promise.race([this.#first(check), this.#stop.signal])
    if (this.#stop.stopped) return once ? STOPPED : 0
    if (!once) return this.#live(check)
    await Promise.race([this.#suffer(check), this.#stop.signal])
    return this.#stop.stopped ? STOPPED : this.#conclude()
  }

  async close(): Promise<void> {
    this.#check?.stop()
    await this.#building?.catch(() => {}) // what is half built has to be whole to be put away
    await this.#site.close()
  }

  // --- building ----------------------------------------------------------------------------------

  async #build(): Promise<Check> {
    const ground = await this.#site.build(
      (node, label) => this.#check?.heard(node, label),
      app =>
        addDemoRoutes(app, {
          report: () => this.#report(),
          faults: () => (this.#survival === null ? null : this.#faults)
        })
    )
    this.#check = new Check(ground)
    this.#faults = this.#site.faults(async fault => {
      await this.#watch()
      await this.#survival?.begin(fault, this.#ways)
    })
    return this.#check
  }

  // Every pair once, then the connections: the times of first packets are theirs alone.
  async #first(check: Check): Promise<void> {
    await check.round(() => this.#draw())
    if (this.#stop.stopped) return
    this.#survival = new Survival(await this.#site.ground!.converse(), this.#startedMs)
    await this.#watch()
  }

  // --- going on ----------------------------------------------------------------------------------

  /** Connections and ways as they are now. */
  async #watch(): Promise<void> {
    const ground = this.#site.ground!
    const [passed] = await Promise.all([ground.passed(), this.#survival?.read()])
    const now = performance.now()
    if (now - this.#passedMs > WATCH_MS / 2) {
      this.#ways = reportWays(this.#passed, passed)
      this.#passed = passed
      this.#passedMs = now
    }
    this.#draw()
  }

  // What `--once` does to the connections; afterwards every pair is to be as it should be again.
  async #suffer(check: Check): Promise<void> {
    const faults = this.#faults!
    await this.#sleep(STEADY_MS)
    for (const step of this.#site.ordeal) {
      const renewed = await step(faults)
      if (renewed !== undefined) this.#renewed.push(renewed)
      await this.#settle()
    }
    await check.round(() => this.#draw())
    await this.#watch()
  }

  async #settle(): Promise<void> {
    const endMs = performance.now() + SETTLE_MS + SETTLED_MS
    await this.#sleep(SETTLE_MS)
    do {
      await this.#sleep(WATCH_MS)
      await this.#watch()
    } while (this.#survival!.faults().length > 0 && performance.now() < endMs)
  }

  #sleep(ms: number): Promise<unknown> {
    return sleep(ms, undefined, { signal: this.#stop.aborted }).catch(() => {})
  }

  // --- showing -----------------------------------------------------------------------------------

  async #conclude(): Promise<number> {
    await this.#site.refresh()
    const report = this.#report()
    if (this.#options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    else this.#screen.print(report, false)
    return report.ok ? 0 : 1
  }

  async #live(check: Check): Promise<number> {
    await this.#site.refresh()
    if (!this.#screen.isLive) this.#screen.print(this.#report(), true)
    await Promise.race([Promise.all([this.#ask(check), this.#show()]), this.#stop.signal])
    this.#screen.leave('taking everything down')
    return 0
  }

  async #ask(check: Check): Promise<void> {
    let before = check.faults().join('\n')
    while (!this.#stop.stopped) {
      await this.#sleep(ROUND_MS)
      await check.round(() => {}, true)
      const now = check.faults().join('\n')
      if (now !== before) this.#say(now === '' ? 'all pairs are as they should be again' : now)
      before = now
    }
  }

  async #show(): Promise<void> {
    let said = ''
    while (!this.#stop.stopped) {
      await this.#sleep(WATCH_MS)
      await this.#watch()
      const outcome = this.#survival?.outcomes.at(-1)
      if (outcome === undefined || this.#survival!.sinceMs < SETTLE_MS) continue
      const now = `${outcome.at_s} ${outcome.survived} ${outcome.resets}`
      if (now !== said) this.#say(outcomeText(outcome))
      said = now
    }
  }

  /** Where no table is redrawn. */
  #say(text: string): void {
    if (!this.#screen.isLive && !this.#stop.stopped) this.#screen.say(text)
  }

  #draw(): void {
    if (!this.#options.json && !this.#stop.stopped)
      this.#screen.draw(this.#report(), !this.#options.once)
  }

  #report(): Report {
    const lost = this.#survival?.faults() ?? []
    const refused = this.#renewed.flatMap(({ wrong }) => wrong)
    const faults = [...(this.#check?.faults() ?? []), ...lost, ...refused]
    if (this.#isFallback) faults.unshift(`no kernel datapath: ${this.#reason}`)
    return {
      ok: faults.length === 0,
      datapath: this.#site.ground?.kind ?? 'memory',
      reason: this.#reason,
      api: this.#site.url,
      seconds: round((performance.now() - this.#startedMs) / 1000, 2),
      hosts: this.#site.hosts.map(reportHost),
      services: this.#site.services,
      pairs: this.#check === null ? [] : reportPairs(this.#check),
      connections: this.#survival?.standing ?? [],
      ways: this.#ways,
      survival: this.#survival?.outcomes ?? [],
      opened_meanwhile: this.#renewed.reduce((sum, { opened }) => sum + opened, 0),
      faults
    }
  }

  #announce(): void {
    if (this.#reason === null) return
    const { once } = this.#options
    const what = once && this.#isFallback ? '--memory does without' : 'the demo runs in memory'
    process.stderr.write(`mezzo: no kernel datapath (${this.#reason}): ${what}\n`)
  }

  /** Memory where the kernel was to be expected, and nobody asked for it. */
  get #isFallback(): boolean {
    const isExpected = process.platform === 'linux' && process.geteuid?.() === 0
    return isExpected && this.#reason !== null
  }
}
