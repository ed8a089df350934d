// So many at once; the others wait in the order they came.  Whoever comes is one of the ports of a
// host, of which there are not more than it has interfaces.
// test/cassandra/cassandra.test.ts holds it.

/** Lets so many run at once; the others wait in the order they came. */
export class Gate {
  readonly #max: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Runs it when its turn comes; gives what it gives, or throws what it throws. */
  async enter<T>(run: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#max) await new Promise<void>(done => this.#waiting.push(done))
    else this.#inside++
    try {
      return await run()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#inside--
      else next() // takes over the place
    }
  }
}
