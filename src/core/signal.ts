// An event as a function: whoever raises it calls it, and whoever has to know
// listens. Neither knows the other.

/** An event with its listeners: calling it calls them, in the order they came. */
export interface Signal<A extends readonly unknown[]> {
  /** It has happened: every listener is called before this returns, in the order they came. */
  (...args: A): void
  /** Calls `hear` each time, for as long as the signal is there. */
  on(hear: (...args: A) => void): void
}

/** A signal that nobody listens to yet. */
export function signal<A extends readonly unknown[]>(): Signal<A> {
  const listeners: ((...args: A) => void)[] = []
  const happen = (...args: A): void => {
    for (const hear of listeners) hear(...args)
  }
  const on = (hear: (...args: A) => void): void => {
    listeners.push(hear)
  }
  return Object.assign(happen, { on })
}
