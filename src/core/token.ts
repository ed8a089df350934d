// A token names a service: one name that is both its type and its value. Plugins ask for tokens,
// the container answers. `export interface Clock …; export const Clock = token<Clock>('clock')`.

/** What a plugin asks for. The key is what the container files the service under. */
export interface Token<T> {
  readonly name: string
  /** Distinct for each token, whatever its name. */
  readonly key: symbol
  /** Never set: it only ties the token to its type. */
  readonly type?: T
}

/** A new token; two of one name are two services. */
export const token = <T>(name: string): Token<T> => Object.freeze({ name, key: Symbol(name) })

/** What a unit wants to be given, by the names it uses. */
export type Needs = Readonly<Record<string, Token<unknown>>>

/** The services a plugin receives, under the names it gave them in `needs`. */
export type Given<N extends Needs> = {
  readonly [K in keyof N]: N[K] extends Token<infer T> ? T : never
}
