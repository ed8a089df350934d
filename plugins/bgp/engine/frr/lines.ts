// A configuration of one daemon as lines that know how they are taken back, and the difference
// between two of them as commands: what stays the same is not touched.

/** A line of a configuration. */
export interface Line {
  /** The lines that open the blocks it stands in, from the top. */
  readonly block: readonly string[]
  /** What it settles, unique in a configuration. */
  readonly key: string
  /** The line itself. */
  readonly text: string
  /** The command that takes it back. */
  readonly undo: string
  /** The key of the line it goes with: when that is taken back, this is gone. */
  readonly of?: string
  /** A line with the same key must be taken back before this one is given. */
  readonly isFresh?: boolean
}

/** A command, and the blocks it is given in. */
export interface Command {
  /** The lines that open them, from the top. */
  readonly block: readonly string[]
  /** The command itself. */
  readonly text: string
  /** What it settles, for messages: the text may hold a secret. */
  readonly key: string
  /** It takes back what may be gone already. */
  readonly isUndo: boolean
}

/**
 * Commands that make the second configuration of the first: what comes in before what goes, so that
 * nothing is named that is not there. `isUnsure`: some of the first may not be there; all of the
 * second is given.
 */
export function difference(
  before: readonly Line[],
  after: readonly Line[],
  isUnsure = false
): Command[] {
  const wanted = new Map(after.map(line => [line.key, line]))
  const isOther = ({ key, text }: Line): boolean => {
    const next = wanted.get(key)
    return next?.isFresh === true && next.text !== text
  }
  // Where one of several may be there, each is taken back: what goes with it goes with any of them.
  const others = new Set(before.filter(isOther).map(({ key }) => key))
  const cleared = before.filter(({ key }) => others.has(key))
  const gone = withTheirs(before, cleared)
  const kept = before.filter(line => !gone.has(line))
  const known = new Map(kept.map(line => [line.key, line]))
  const isNew = (line: Line): boolean => isUnsure || known.get(line.key)?.text !== line.text
  const unwanted = kept.filter(({ key }) => !wanted.has(key))
  const follow = withTheirs(kept, unwanted, true)
  return [
    ...cleared.filter(line => !isIn(line, cleared)).map(undoing),
    ...after.filter(isNew).map(giving),
    ...unwanted
      .filter(line => !follow.has(line))
      .map(undoing)
      .reverse()
  ]
}

/** A configuration as a file. */
export function fileOf(lines: readonly Line[]): string {
  const text: string[] = []
  const headers = new Set(lines.flatMap(({ block }) => block.map((line, i) => `${i} ${line}`)))
  let open: readonly string[] = []
  for (const { block, text: line } of lines) {
    const shared = sharedLength(open, block)
    for (let i = open.length; i > shared; i--) text.push(`${' '.repeat(i - 1)}exit`)
    for (let i = shared; i < block.length; i++) text.push(' '.repeat(i) + block[i]!)
    text.push(' '.repeat(block.length) + line)
    open = headers.has(`${block.length} ${line}`) ? [...block, line] : block
  }
  return `${text.join('\n')}\n`
}

function sharedLength(a: readonly string[], b: readonly string[]): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}

// Lines that go with some, over others too; with `others` only those, not the first ones.
function withTheirs(lines: readonly Line[], first: readonly Line[], others = false): Set<Line> {
  const keys = new Set(first.map(({ key }) => key))
  const found = new Set<Line>(others ? [] : first)
  for (const line of lines)
    if (line.of !== undefined && keys.has(line.of)) {
      keys.add(line.key)
      found.add(line)
    }
  return found
}

const isIn = ({ of }: Line, lines: readonly Line[]): boolean =>
  of !== undefined && lines.some(({ key }) => key === of)

const giving = ({ block, key, text }: Line): Command => ({ block, key, text, isUndo: false })
const undoing = ({ block, key, undo }: Line): Command => ({ block, key, text: undo, isUndo: true })
