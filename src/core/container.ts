// Puts plugins in order of what they need, gives each its services once, and is sealed after
// start: the hot path never meets it. tsyringe holds the services, with tokens and factories,
// without decorators or reflection. Every fault here is one of assembly, so all of them are
// thrown at start, and name the plugins.

import 'reflect-metadata'
import { type DependencyContainer, instanceCachingFactory, container as root } from 'tsyringe'
import { fail, reasonOf } from './errors.ts'
import type { Given, Needs, Token } from './token.ts'

/** What the container knows of a plugin. */
export interface Unit<N extends Needs = Needs> {
  readonly name: string
  /** The services its `setup` is given, by the names it uses. */
  readonly needs: N
  /** The services that others may need from it. */
  readonly provides?: readonly Token<unknown>[]
}

/** A service with something to put away; called in reverse order of making. */
export interface Disposable {
  /** Gives back what it holds; called once, when the container closes. */
  dispose(): void | Promise<void>
}

/** Services by token; hands each unit those it declares, and refuses a missing or second one. */
export class Container {
  // A child of the empty root: several hosts live in one process and share nothing.
  readonly #services: DependencyContainer = root.createChildContainer()
  readonly #owners = new Map<Token<unknown>, string>()
  readonly #made: { name: string; service: unknown }[] = []
  readonly #making: string[] = []
  #sealed = false

  /** Offers a service that exists. `by` is who answers for it in an error. */
  provide<T>(token: Token<T>, service: T, by = 'core'): void {
    this.#own(token, by)
    this.#services.register(token.key, { useValue: service })
    this.#made.push({ name: token.name, service })
  }

  /** Offers a service that is made when first asked for, once. */
  provideFactory<T>(token: Token<T>, make: (container: Container) => T, by = 'core'): void {
    this.#own(token, by)
    const useFactory = instanceCachingFactory(() => this.#make(token, make))
    this.#services.register(token.key, { useFactory })
  }

  /** Whether somebody provides it. */
  has(token: Token<unknown>): boolean {
    return this.#owners.has(token)
  }

  /** The service; throws MISSING_SERVICE, or SEALED once assembly is over. */
  get<T>(token: Token<T>, by = 'core'): T {
    if (this.#sealed) throw fail('SEALED', { unit: by, service: token.name })
    if (!this.has(token)) throw fail('MISSING_SERVICE', { unit: by, service: token.name })
    return this.#services.resolve<T>(token.key)
  }

  /** All that a unit needs, under the names it gave them. */
  give<N extends Needs>(unit: Unit<N>): Given<N> {
    const given = Object.entries(unit.needs).map(([as, token]) => [as, this.get(token, unit.name)])
    return Object.freeze(Object.fromEntries(given)) as Given<N>
  }

  /**
   * Sets up units, providers before their users, then seals the container. A unit keeps what it
   * declares: `setUp` provides the services of `provides` under the unit's name.
   */
  assemble<U extends Unit>(units: readonly U[], setUp: (unit: U, given: Given<Needs>) => void) {
    for (const unit of order(units, token => this.#owners.get(token))) {
      setUp(unit, this.give(unit))
      for (const token of unit.provides ?? [])
        if (!this.has(token)) throw fail('UNKEPT_PROMISE', { unit: unit.name, service: token.name })
    }
    this.seal()
  }

  /** Assembly is over: nothing is given out from now on. */
  seal(): void {
    this.#sealed = true
  }

  /**
   * Puts away every service that has a `dispose`, last made first; after a failure the others are
   * put away all the same.
   */
  async dispose(): Promise<void> {
    const faults: string[] = []
    for (let last = this.#made.pop(); last !== undefined; last = this.#made.pop())
      try {
        if (isDisposable(last.service)) await last.service.dispose()
      } catch (error) {
        faults.push(`${last.name} (${reasonOf(error)})`)
      }
    this.#services.clearInstances()
    if (faults.length > 0)
      throw fail('STOP_FAILED', { count: faults.length, parts: faults.join(', ') })
  }

  #make<T>(token: Token<T>, make: (container: Container) => T): T {
    if (this.#making.includes(token.name))
      throw fail('CYCLE', { path: [...this.#making, token.name].join(' -> ') })
    this.#making.push(token.name)
    try {
      const service = make(this)
      this.#made.push({ name: token.name, service })
      return service
    } finally {
      this.#making.pop()
    }
  }

  #own(token: Token<unknown>, by: string): void {
    if (this.#sealed) throw fail('SEALED', { unit: by, service: token.name })
    const first = this.#owners.get(token)
    if (first !== undefined)
      throw fail('DUPLICATE_SERVICE', { service: token.name, first, second: by })
    this.#owners.set(token, by)
  }
}

/**
 * Providers before their users; otherwise the order of the list. `owner` tells who provides a
 * token already, so that a need that no unit provides for is found before anything is set up.
 */
export function order<U extends Unit>(
  units: readonly U[],
  owner: (token: Token<unknown>) => string | undefined = () => undefined
): U[] {
  const providers = providersOf(units, owner)
  const done = new Set<U>()
  const path: U[] = []
  const visit = (unit: U): void => {
    if (done.has(unit)) return
    if (path.includes(unit)) throw fail('CYCLE', { path: circle(path, unit) })
    path.push(unit)
    for (const token of Object.values(unit.needs)) {
      const provider = providers.get(token)
      if (provider !== undefined) visit(provider)
      else if (owner(token) === undefined)
        throw fail('MISSING_SERVICE', { unit: unit.name, service: token.name })
    }
    path.pop()
    done.add(unit)
  }
  for (const unit of units) visit(unit)
  return [...done]
}

function providersOf<U extends Unit>(
  units: readonly U[],
  owner: (token: Token<unknown>) => string | undefined
): Map<Token<unknown>, U> {
  const names = new Set<string>()
  const providers = new Map<Token<unknown>, U>()
  for (const unit of units) {
    if (names.has(unit.name)) throw fail('DUPLICATE_UNIT', { unit: unit.name })
    names.add(unit.name)
    for (const token of unit.provides ?? []) {
      const first = providers.get(token)?.name ?? owner(token)
      if (first !== undefined)
        throw fail('DUPLICATE_SERVICE', { service: token.name, first, second: unit.name })
      providers.set(token, unit)
    }
  }
  return providers
}

const circle = (path: readonly Unit[], again: Unit): string =>
  [...path.slice(path.indexOf(again)), again].map(unit => unit.name).join(' -> ')

const isDisposable = (service: unknown): service is Disposable =>
  typeof (service as Partial<Disposable> | null)?.dispose === 'function'
