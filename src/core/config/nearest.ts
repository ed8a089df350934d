// What somebody meant who wrote a name that there is not: a list of sixty helps nobody, the three
// that look like it do.

const LISTED = 8
const NEAREST = 3
// Longer words are cut before they are compared: no name of ours is, and work stays bounded.
const LENGTH_MAX = 48

/** The names most like a word, nearest first. */
export function nearest(word: string, names: readonly string[], most = NEAREST): string[] {
  const wanted = plain(word)
  return names
    .map(name => ({ name, distance: distanceOf(wanted, plain(name)) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, most)
    .map(({ name }) => name)
}

/** The one name that is meant, if one is near enough to say so. */
export function meant(word: string, names: readonly string[]): string | undefined {
  const [name] = nearest(word, names, 1)
  if (name === undefined) return undefined
  const limit = Math.max(1, Math.floor(Math.min(word.length, name.length) / 3))
  return distanceOf(plain(word), plain(name)) <= limit ? name : undefined
}

/** The end of "no such field; …": all of a few, else the nearest. */
export function suggested(word: string, names: readonly string[]): string {
  if (names.length === 0) return 'there are none'
  if (names.length <= LISTED) return `there are ${names.join(', ')}`
  return `the nearest are ${nearest(word, names).join(', ')}`
}

const plain = (text: string): string => text.slice(0, LENGTH_MAX).toLowerCase().replace(/[-_]/g, '')

// Damerau-Levenshtein, of neighbours swapped at most once; a beginning counts as near: `proto` is
// for `protocol`.
function distanceOf(a: string, b: string): number {
  if (a.length > 1 && b.startsWith(a)) return Math.min(1, b.length - a.length)
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const other = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + other)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, before[j - 2]! + 1)
      row.push(least)
    }
    before = last
    last = row
  }
  return last[b.length]!
}
