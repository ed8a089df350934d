// How many cases a property, a law or an oracle looks at: ORACLE_SHARE of the number it names, all
// by default.  Whoever waits for `npm run check` is writing code: it asks for a part, the same in
// every run; `npm test` asks for all.

/** The part of the whole number that is asked for; each case that is named counts for itself. */
export const SHARE = Number(process.env.ORACLE_SHARE ?? 1)

/** So many of so many, at least one. */
export const casesOf = (whole: number): number => Math.ceil(whole * SHARE)
