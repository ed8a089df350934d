// What must hold whatever comes from outside. Where it does not, our own book-keeping is broken,
// and to go on would lose packets in silence: the error is caught by nobody, the agent's process
// ends, the kernel forwards on, and the next agent adopts what it finds.

/** A fault of the program itself. It is not caught: the process ends. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant'
}

/** Throws BrokenInvariant unless `holds`; `what` is the sentence that should have been true. */
export function invariant(holds: boolean, what: string): asserts holds {
  if (!holds) throw new BrokenInvariant(what)
}

/** `count` less `taken`, which it must hold. */
export function less(count: number, taken: number, what: string): number {
  if (taken > count) throw new BrokenInvariant(`${what}: ${taken} taken of ${count}`)
  return count - taken
}
