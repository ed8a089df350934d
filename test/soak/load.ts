// What goes through the network while it soaks: short conversations of every class, each from a new
// port, at a steady and modest rate.

import { type Job, type Machine, until } from '../../src/lab/index.ts'
import { tool } from '../../src/lab/traffic/traffic.ts'
import { type Class, classes, type Ground, OUTSIDE, PORT } from '../lab/survival/ground.ts'

const ECHO_PORT = 7
// By letter, as lab/churn.c has them.  A VIP takes what its members serve.
const MIXES: Readonly<Record<Class, string>> = {
  plain: 'tutp',
  snat: 'tutprulcut',
  firewall: 'tutpru',
  lb: 'tttr'
}

type Counts = Readonly<Record<string, number>>

interface Account {
  readonly begun: Counts
  readonly ended: Counts
  readonly failed: Counts
}

const sum = (counts: Counts): number => Object.values(counts).reduce((a, b) => a + b, 0)

export class Load {
  readonly #jobs: Job[] = []
  readonly #accounts = new Map<Class, Account>()

  /** So many conversations a second, of all classes together. */
  static async start(ground: Ground, perSecond: number): Promise<Load> {
    const load = new Load()
    const member = ground.vms.get('lb')!
    for (const machine of [ground.outside, member]) await machine.traffic.serve(PORT)
    await ground.outside.traffic.echo(ECHO_PORT, OUTSIDE)
    for (const of of classes) {
      const { from, to } = ground.client(of)
      await from.ping(to, { count: 2 }) // neighbours are found
      await load.#churn(of, from, to, Math.max(1, Math.round(perSecond / classes.length)))
    }
    await until('every class has begun', () => load.#accounts.size === classes.length)
    return load
  }

  /** Of the conversations so far. */
  get begun(): number {
    return this.#total('begun')
  }

  get failed(): number {
    return this.#total('failed')
  }

  /** Of each class and kind that failed: `snat t: 3 of 2000`. */
  get failures(): string[] {
    return [...this.#accounts].flatMap(([of, { begun, failed }]) =>
      Object.entries(failed)
        .filter(([, count]) => count > 0)
        .map(([kind, count]) => `${of} ${kind}: ${count} of ${begun[kind]}`)
    )
  }

  get running(): boolean {
    return this.#jobs.every(job => job.running)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#jobs.map(job => job.stop()))
  }

  async #churn(of: Class, from: Machine, to: string, perSecond: number): Promise<void> {
    const where = ['--to', to, '--tcp', `${PORT}`, '--udp', `${ECHO_PORT}`]
    const shape = ['--per-s', `${perSecond}`, '--mix', MIXES[of]]
    const onLine = (line: string): void => {
      this.#accounts.set(of, JSON.parse(line) as Account)
    }
    this.#jobs.push(from.spawn([await tool('churn'), ...where, ...shape], { onLine }))
  }

  #total(name: keyof Account): number {
    return [...this.#accounts.values()].reduce((all, account) => all + sum(account[name]), 0)
  }
}
