// The command lines of what is run by hand (bench, survive, soak, liveness, matrix, interop):
// flags, and numbers and texts with their defaults.  Whatever else is given is refused in a line,
// with status 2.

import { parseArgs } from 'node:util'

interface Options<N extends string, F extends string, T extends string> {
  readonly numbers: Readonly<Record<N, number>>
  readonly texts: Readonly<Record<T, string>>
  readonly flags: Readonly<Record<F, boolean>>
  readonly words: readonly string[]
}

export function optionsOf<
  N extends string = never,
  F extends string = never,
  T extends string = never
>(
  flags: readonly F[],
  defaults: Readonly<Record<N, number>>,
  allowWords = false,
  textDefaults = {} as Readonly<Record<T, string>>
): Options<N, F, T> {
  const words = [...Object.keys(defaults), ...Object.keys(textDefaults)]
  const { values, positionals } = parsed([...flags], words, allowWords)
  const texts = { ...textDefaults } as Record<T, string>
  for (const name of Object.keys(textDefaults) as T[])
    if (values[name] !== undefined) texts[name] = String(values[name])
  const numbers = { ...defaults } as Record<N, number>
  for (const name of Object.keys(defaults) as N[]) {
    const text = values[name]
    if (text === undefined) continue
    numbers[name] = Number(text)
    if (!(numbers[name] > 0 && Number.isFinite(numbers[name])))
      refuse(`--${name} is ${JSON.stringify(text)}; expected a number above 0`)
  }
  const given = Object.fromEntries(flags.map(flag => [flag, values[flag] === true]))
  return { numbers, texts, flags: given as Record<F, boolean>, words: positionals }
}

function parsed(flags: readonly string[], valued: readonly string[], allowPositionals: boolean) {
  const of = (names: readonly string[], type: 'boolean' | 'string') =>
    Object.fromEntries(names.map(name => [name, { type }] as const))
  const options = { ...of(flags, 'boolean'), ...of(valued, 'string') }
  try {
    return parseArgs({ allowPositionals, options })
  } catch (error) {
    const known = [...flags, ...valued].map(name => `--${name}`).join(', ')
    return refuse(`${(error as Error).message.split(/\. |\n/)[0]}; there are ${known}`)
  }
}

function refuse(why: string): never {
  process.stderr.write(`${why}\n`)
  process.exit(2)
}
