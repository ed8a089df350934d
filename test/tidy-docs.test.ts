// What the gate for documentation comments (tidy/docs.ts) refuses, and what it lets through.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commentShare, undocumented } from './tidy/docs.ts'

const found = (text: string, path = 'src/host/a.ts', excused: readonly string[] = []): string =>
  undocumented([{ path, text: `// A sample.\n\n${text}` }], excused)
    .map(({ path, line, message }) => `${path}:${line - 2} ${message}`)
    .join('\n')

const DOC = '/** What. */\n'

const bad: readonly (readonly [code: string, expected: RegExp])[] = [
  ['export class A {}', /^src\/host\/a.ts:1 A: say what it is/],
  ['export interface A {}', /:1 A:/],
  ['export function a(): void {}', /:1 a:/],
  ['export async function* a(): void {}', /:1 a:/],
  ['export const A_MAX = 3', /:1 A_MAX:/],
  ["export type A = 'a' | 'b'", /:1 A:/],
  ['// Not what editors show.\nexport const a = 1', /:2 a:/],
  [`${DOC}export interface A {\n  readonly sizeMax: number // no\n}`, /^\S+:3 A.sizeMax:/],
  [`${DOC}export class A {\n  f(x: { a: B }): { a: B } {\n    return x\n  }\n}`, /:3 A.f:/],
  [`${DOC}export class A<T extends B<C>> {\n  get size(): number {\n  }\n}`, /:3 A.size:/],
  [`${DOC}export class A implements B {\n  own(): void {}\n}`, /:3 A.own:/],
  [`${DOC}export class A {\n  ${DOC}  a = 1 < 2\n  b = 1\n}`, /^\S+:5 A.b:/]
]

for (const [code, expected] of bad)
  test(`refused: ${code.replaceAll('\n', '⏎')}`, () => {
    assert.match(found(code), expected)
    assert.equal(found(code, 'test/a.ts'), '')
    assert.equal(found(code, 'src/host/a.test.ts'), '')
    assert.equal(found(code, 'src/host/a.ts', ['src/host/']), '')
  })

const good: readonly (readonly [code: string, path?: string])[] = [
  [`${DOC}export class A {\n  #own = 1\n  constructor(\n    a: number\n  ) {}\n}`],
  [`${DOC}export interface A {\n  readonly flowCache: FlowCache\n  readonly id: string\n}`],
  [`${DOC}export interface A {\n  readonly plugins: readonly Plugin[]\n}`],
  ['const a = 1\nfunction b(): void {}\ninterface C {\n  readonly d: number\n}'],
  [
    `${DOC}export interface B {\n  ${DOC}  f(): void\n}\n` +
      `${DOC}export class A implements B {\n  f(): void {}\n}`
  ],
  [`${DOC}export interface Clock {}\nexport const Clock = token<Clock>('clock')`],
  [`${DOC}export const a = [\n  1\n]\nexport type A = (typeof a)[number]`],
  [`${DOC}export class A {\n  ${DOC}  get b(): number {}\n  set b(to: number) {}\n}`],
  [`${DOC}export function f(a: {\n  b: number\n}): void {\n  switch (a) {\n    default:\n  }\n}`],
  [`/** What. */\n// biome-ignore lint: why\nexport const a = 1`],
  ['export const ttl = (view: DataView, at: number): number => 1', 'src/wire/a.ts'],
  ['export const LENGTH = 8\nexport interface Fields {\n  readonly a: number\n}', 'src/wire/a.ts']
]

for (const [code, path] of good)
  test(`accepted: ${code.replaceAll('\n', '⏎')}`, () => {
    assert.equal(found(code, path), '')
  })

test('a folder that is done does not stay on the list', () => {
  assert.match(found(`${DOC}export const a = 1`, 'src/host/a.ts', ['src/host/']), /take it off/)
})

test('the share of comments is of lines that are not empty', () => {
  const text = '// One.\n\nconst a = 1 // and here\nconst b = 1\nconst c = 1\n'
  assert.equal(commentShare([{ path: 'src/host/a.ts', text }]), 50)
})
